//! Bring-up of the Raspberry Pi Pico: 133 MHz, its own USB, GP22 as trigger, SysTick.
#![no_std]
#![no_main]

use embassy_rp::{
    bind_interrupts,
    clocks::ClockConfig,
    config::Config,
    gpio::{Level, Output},
    peripherals::USB,
    usb::{Driver, InterruptHandler},
};
use niwaki_board::{Board, SysTick};

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 133_000_000;

bind_interrupts!(struct Interrupts {
    USBCTRL_IRQ => InterruptHandler<USB>;
});

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    if let (Some(core), Ok(clocks)) = (cortex_m::Peripherals::take(), ClockConfig::system_freq(CLOCK_HZ)) {
        let p = embassy_rp::init(Config::new(clocks));
        let counter = SysTick::new(core.SYST, CLOCK_HZ);
        let trigger = Output::new(p.PIN_22, Level::Low);
        niwaki_rp::serve_usb(Driver::new(p.USB, Interrupts), "rpi-pico", |serial| {
            let board = Board { name: "rpi-pico", serial, trigger, counter };
            let Ok(()) = board.serve::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice());
        });
    }
    // USB is never closed.
    loop {
        cortex_m::asm::wfi();
    }
}

/// The host notices that the port is gone: there is nobody to tell why without the panicked code's USB.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
