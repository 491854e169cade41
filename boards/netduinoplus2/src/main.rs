//! Bring-up of the Netduino Plus 2: 168 MHz, USART1 on PA9 and PA10, PA1 as trigger.
#![no_std]
#![no_main]

use embassy_stm32::{
    Peripherals,
    gpio::{Level, Output, Speed},
    pac::{self, GPIOA, RCC},
    rcc::{APBPrescaler, PllMul, PllPDiv, PllPreDiv, PllQDiv, PllSource, Sysclk},
};
use niwaki_board::{Board, CycleCounter};
use niwaki_stm32::{Layout, Usart, alternate, pll_runs, within_reason};

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 168_000_000;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    full_speed();
    let counter = CycleCounter::take(CLOCK_HZ);
    // SAFETY: the HAL manages nothing else here, and its port's clock runs since `full_speed`.
    let trigger = Output::new(unsafe { Peripherals::steal() }.PA1, Level::Low, Speed::VeryHigh);
    let board = Board { name: "netduinoplus2", serial: serial(), trigger, counter };
    board.serve_for_ever::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice())
}

/// 168 MHz from the crystal of 25 MHz; buses at 42 and 84 MHz, five wait states (RM0090, 3.5.1 and 7.3).
fn full_speed() {
    RCC.ahb1enr().modify(|clocks| clocks.set_gpioaen(true));
    RCC.apb2enr().modify(|clocks| clocks.set_usart1en(true));
    [9, 10].into_iter().for_each(|pin| alternate(GPIOA, pin, 7));
    RCC.cr().modify(|cr| cr.set_hseon(true));
    // QEMU's crystal never starts, and its core always has the full clock.
    if within_reason(|| RCC.cr().read().hserdy()) {
        RCC.pllcfgr().write(|pll| {
            pll.set_pllsrc(PllSource::HSE);
            pll.set_pllm(PllPreDiv::DIV25);
            pll.set_plln(PllMul::MUL336);
            pll.set_pllp(PllPDiv::DIV2);
            pll.set_pllq(PllQDiv::DIV7);
        });
        pll_runs(5);
        RCC.cfgr().modify(|cfgr| {
            cfgr.set_ppre1(APBPrescaler::DIV4);
            cfgr.set_ppre2(APBPrescaler::DIV2);
            cfgr.set_sw(Sysclk::PLL1_P);
        });
    }
}

fn serial() -> Usart {
    // SAFETY: this is USART1, whose clock runs since `full_speed`, at half the core's.
    unsafe { Usart::new(pac::USART1.as_ptr() as usize, Layout::F4, CLOCK_HZ / 2) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    niwaki_board::panicked(info, serial())
}
