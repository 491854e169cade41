//! Bring-up of the B-L475E-IOT01A: 80 MHz, USART1 to the ST-LINK's serial port, D8 (PB2) as trigger.
#![no_std]
#![no_main]

use embassy_stm32::{
    Peripherals,
    gpio::{Level, Output, Speed},
    pac::{self, GPIOB, RCC},
    rcc::{PllMul, PllPreDiv, PllRDiv, PllSource, Sysclk},
};
use niwaki_board::{Board, CycleCounter};
use niwaki_stm32::{Layout, Usart, alternate, pll_runs, within_reason};

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 80_000_000;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();

    full_speed();
    let counter = CycleCounter::take(CLOCK_HZ);
    // SAFETY: the HAL manages nothing else here, and its port's clock runs since `full_speed`.
    let trigger = Output::new(unsafe { Peripherals::steal() }.PB2, Level::Low, Speed::VeryHigh);
    let serial = serial().nudged(counter.is_emulated());
    let board = Board { name: "b-l475e-iot01a", serial, trigger, counter };
    board.serve_for_ever::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice())
}

/// 80 MHz from the internal oscillator of 16 MHz, buses too; four wait states (RM0351, 3.3.3 and 6.4).
fn full_speed() {
    RCC.ahb2enr().modify(|clocks| clocks.set_gpioben(true));
    RCC.apb2enr().modify(|clocks| clocks.set_usart1en(true));
    [6, 7].into_iter().for_each(|pin| alternate(GPIOB, pin, 7));
    RCC.cr().modify(|cr| cr.set_hsion(true));
    within_reason(|| RCC.cr().read().hsirdy());
    RCC.pllcfgr().write(|pll| {
        pll.set_pllsrc(PllSource::HSI);
        pll.set_pllm(PllPreDiv::DIV1);
        pll.set_plln(PllMul::MUL10);
        pll.set_pllr(PllRDiv::DIV2);
        pll.set_pllren(true);
    });
    pll_runs(4);
    RCC.cfgr().modify(|cfgr| cfgr.set_sw(Sysclk::PLL1_R));
}

fn serial() -> Usart {
    // SAFETY: this is USART1, whose clock runs since `full_speed`.
    unsafe { Usart::new(pac::USART1.as_ptr() as usize, Layout::L4, CLOCK_HZ) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    niwaki_board::panicked(info, serial())
}
