//! From the reset clock to full speed, and pins from the HAL to a peripheral.

use embassy_stm32::{
    Peripherals,
    pac::{
        FLASH, RCC,
        gpio::{Gpio, vals::Moder},
    },
    rcc::{self, AHBPrescaler},
};

/// Makes flash wait `cycles` more for every access, as a faster clock demands, and switches on its prefetching and its
/// caches for instructions and data.
pub fn wait_states(cycles: u8) {
    const LATENCY: u32 = 0xf;
    const PREFETCH_AND_CACHES: u32 = 0b111 << 8;
    FLASH.acr().modify(|acr| acr.0 = acr.0 & !LATENCY | PREFETCH_AND_CACHES | u32::from(cycles));
    // A reading sees to it that the writing is over.
    FLASH.acr().read();
}

/// Starts the PLL that was set up, and prepares flash for its speed: see [`wait_states`]. The core does not use it yet.
pub fn pll_runs(cycles: u8) {
    RCC.cr().modify(|cr| cr.set_pllon(true));
    within_reason(|| RCC.cr().read().pllrdy());
    wait_states(cycles);
}

/// Gives a pin to the peripheral that is its alternate function of this number.
pub fn alternate(port: Gpio, pin: u8, function: u8) {
    let (half, place) = (usize::from(pin / 8), usize::from(pin % 8));
    port.afr(half).modify(|functions| functions.set_afr(place, function));
    port.moder().modify(|modes| modes.set_moder(usize::from(pin), Moder::ALTERNATE));
}

/// Starts `clocks` with the HAL, at a sixteenth of their speed first, so that flash can be given its wait states
/// (`cycles`) before it is read at full speed: the HAL does not know how many an L4+ needs. Serial lines must not be
/// clocked by a bus, whose speed the HAL takes for a sixteenth of what it is.
pub fn at_full_speed(p: &mut Peripherals, mut clocks: rcc::Config, cycles: u8) {
    clocks.ahb_pre = AHBPrescaler::DIV16;
    rcc::reinit(clocks, &mut p.RCC);
    wait_states(cycles);
    RCC.cfgr().modify(|cfgr| cfgr.set_hpre(AHBPrescaler::DIV1));
}

/// Waits until something is `ready`, but not for ever, as ST's own start-up code does: emulated oscillators may never
/// say so. Gives whether it is.
pub fn within_reason(ready: impl Fn() -> bool) -> bool {
    (0..0x5000).any(|_| ready())
}
