//! Bring-up of the nRF52840 Development Kit: 64 MHz with flash cache, UART to the J-Link's serial port, P0.26 as trigger.
#![no_std]
#![no_main]

mod serial;

use embassy_nrf::{
    bind_interrupts,
    buffered_uarte::{BufferedUarte, InterruptHandler},
    config::{Config, HfclkSource},
    gpio::{Level, Output, OutputDrive},
    pac::NVMC,
    peripherals::UARTE0,
    uarte,
};
use niwaki_board::{Board, CycleCounter};
use serial::Serial;

static BLOB: &[u8] = niwaki::include_blob!(env!("NIWAKI_BLOB"));

const CLOCK_HZ: u32 = 64_000_000;

bind_interrupts!(struct Interrupts {
    UARTE0 => InterruptHandler<UARTE0>;
});

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: niwaki::Arena<{ niwaki::arena_bytes(BLOB) }> = niwaki::Arena::new();
    static mut RECEIVED: [u8; 1024] = [0; 1024];
    static mut TO_SEND: [u8; 1024] = [0; 1024];

    let mut config = Config::default();
    // The crystal: the internal oscillator is too inexact for figures in milliseconds.
    config.hfclk_source = HfclkSource::ExternalXtal;
    let p = embassy_nrf::init(config);
    NVMC.icachecnf().write(|cache| cache.set_cacheen(true));
    let counter = CycleCounter::take(CLOCK_HZ);
    let trigger = Output::new(p.P0_26, Level::Low, OutputDrive::Standard);
    let uart = BufferedUarte::new(
        p.UARTE0,
        p.TIMER0,
        p.PPI_CH0,
        p.PPI_CH1,
        p.PPI_GROUP0,
        p.P0_08,
        p.P0_06,
        Interrupts,
        uarte::Config::default(),
        RECEIVED,
        TO_SEND,
    );
    let board = Board { name: "nrf52840-dk", serial: Serial(uart), trigger, counter };
    board.serve_for_ever::<{ niwaki::op_set(BLOB) }>(BLOB, ARENA.as_mut_slice())
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    niwaki_board::panicked(info, serial::LastWords)
}
