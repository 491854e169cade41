//! What the Raspberry Pi microcontrollers share: a serial line over their own USB. A board chooses the chip with a
//! feature of `embassy-rp`.
//!
//! There is no executor: whoever waits for bytes polls the USB device. So nothing but its interrupt handler runs beside
//! an inference, and that only if the host talks meanwhile, which it does not.
#![no_std]

use core::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};
use embassy_futures::{
    block_on,
    select::{Either3, select, select3},
};
use embassy_rp::{peripherals::USB, rom_data, usb::Driver};
use embassy_usb::{
    Builder, Config,
    class::cdc_acm::{CdcAcmClass, Receiver, Sender, State},
    driver::EndpointError,
};
use embedded_io::{ErrorType, Read, Write};

/// Bytes in a packet at full speed.
const PACKET: usize = 64;

/// What Raspberry Pi's own SDK calls a serial line over USB: 2e8a:000a.
const VENDOR: u16 = 0x2e8a;
const PRODUCT: u16 = 0x000a;

/// A host that opens the port at this rate wants the chip to start its boot loader, as Arduino's boards do.
const BOOT_LOADER_RATE: u32 = 1200;

/// Makes the chip a serial port that calls itself `product`, and gives it to `use_it`, which never returns.
pub fn serve_usb(driver: Driver<'_, USB>, product: &str, use_it: impl FnOnce(UsbSerial<'_, '_>)) {
    let mut config = Config::new(VENDOR, PRODUCT);
    config.manufacturer = Some("niwaki");
    config.product = Some(product);
    let (mut configuration, mut bos, mut control) = ([0; 128], [0; 32], [0; 64]);
    let mut state = State::new();
    let mut builder = Builder::new(driver, config, &mut configuration, &mut bos, &mut [], &mut control);
    let (sender, receiver) = CdcAcmClass::new(&mut builder, &mut state, PACKET as u16).split();
    let mut device = builder.build();
    let device = pin!(async {
        device.run().await;
    });
    use_it(UsbSerial { device, sender, receiver, packet: [0; PACKET], received: 0, taken: 0 });
}

/// A serial line over USB.
pub struct UsbSerial<'a, 'd> {
    /// The USB device: answers the host while it is polled.
    device: Pin<&'a mut dyn Future<Output = ()>>,
    sender: Sender<'d, Driver<'d, USB>>,
    receiver: Receiver<'d, Driver<'d, USB>>,
    /// The last packet, and how much of it was handed out.
    packet: [u8; PACKET],
    received: usize,
    taken: usize,
}

impl ErrorType for UsbSerial<'_, '_> {
    type Error = Infallible;
}

impl Read for UsbSerial<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        while self.taken == self.received {
            self.taken = 0;
            self.received = self.receive();
        }
        let rest = self.packet.get(self.taken..self.received).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.taken += len;
        Ok(len)
    }
}

impl UsbSerial<'_, '_> {
    /// Waits for a packet. 0 bytes if the connection ended, and when it is there again.
    fn receive(&mut self) -> usize {
        let Self { device, sender, receiver, packet, .. } = self;
        let boot_loader = poll_fn(|_| match sender.line_coding().data_rate() {
            BOOT_LOADER_RATE => Poll::Ready(()),
            _ => Poll::Pending,
        });
        let packet = async {
            match receiver.read_packet(packet).await {
                Ok(len) => len,
                Err(EndpointError::Disabled | EndpointError::BufferOverflow) => {
                    receiver.wait_connection().await;
                    0
                }
            }
        };
        match block_on(select3(device.as_mut(), packet, boot_loader)) {
            Either3::Second(len) => len,
            Either3::Third(()) => {
                rom_data::reset_to_usb_boot(0, 0);
                0
            }
            // The device never ends.
            Either3::First(()) => 0,
        }
    }

    /// Sends a packet while somebody listens.
    fn send(&mut self, packet: &[u8]) {
        let Self { device, sender, .. } = self;
        if sender.dtr() {
            // A packet that nobody takes any more is lost, as on any serial line; the host asks again.
            block_on(select(device.as_mut(), sender.write_packet(packet)));
        }
    }
}

impl Write for UsbSerial<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for packet in bytes.chunks(PACKET) {
            self.send(packet);
        }
        // A full packet says that more follows.
        if !bytes.is_empty() && bytes.len().is_multiple_of(PACKET) {
            self.send(&[]);
        }
        Ok(bytes.len())
    }

    // `write` returns when the last packet was taken.
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
