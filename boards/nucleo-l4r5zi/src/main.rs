//! Bring-up of the NUCLEO-L4R5ZI: 120 MHz, LPUART1 to the ST-LINK's serial port, D8 (PF12) as trigger.
#![no_std]
#![no_main]

use cortex_m::peripheral::SCB;
use embassy_stm32::{
    Config, Peripherals,
    gpio::{Level, Output, Speed},
    pac::PWR,
    rcc::{self, Pll, PllMul, PllPreDiv, PllRDiv, PllSource, Sysclk, mux::Lpuart1sel},
    usart::Uart,
};
use niwaki_board::{Board, CycleCounter};
use niwaki_stm32::Serial;

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 120_000_000;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    let mut p = embassy_stm32::init(Config::default());
    boost();
    // Five wait states for 120 MHz with the boost (RM0432, flash read access latency).
    niwaki_stm32::at_full_speed(&mut p, clocks(), 5);
    let Ok(uart) = Uart::new_blocking(p.LPUART1, p.PG8, p.PG7, Default::default()) else { SCB::sys_reset() };
    let counter = CycleCounter::take(CLOCK_HZ);
    let trigger = Output::new(p.PF12, Level::Low, Speed::VeryHigh);
    let board = Board { name: "nucleo-l4r5zi", serial: Serial(uart), trigger, counter };
    board.serve_for_ever::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice())
}

/// Above 80 MHz the core needs the regulator's boost mode: bit 8 of PWR_CR5 off (RM0432, dynamic voltage scaling).
fn boost() {
    // SAFETY: PWR_CR5, which this chip has here and the HAL's registers do not name; it has no effect on memory.
    unsafe {
        let cr5 = PWR.as_ptr().cast::<u32>().add(0x80 / 4);
        cr5.write_volatile(cr5.read_volatile() & !(1 << 8));
    }
}

/// 120 MHz from the internal oscillator of 16 MHz, which clocks the serial line, too.
fn clocks() -> rcc::Config {
    let mut clocks = rcc::Config::new();
    clocks.hsi = true;
    let (prediv, mul, divr) = (PllPreDiv::DIV2, PllMul::MUL30, Some(PllRDiv::DIV2));
    clocks.pll = Some(Pll { source: PllSource::HSI, prediv, mul, divp: None, divq: None, divr });
    clocks.sys = Sysclk::PLL1_R;
    clocks.mux.lpuart1sel = Lpuart1sel::HSI;
    clocks
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: whoever used the peripherals has panicked and will not go on.
    let p = unsafe { Peripherals::steal() };
    niwaki_stm32::panicked(info, Uart::new_blocking(p.LPUART1, p.PG8, p.PG7, Default::default()))
}
