//! What all Cortex-M boards share: the SysTick counter, and what happens when something goes wrong.

mod known_loop;
mod systick;
mod trouble;

pub use systick::SysTick;
pub use trouble::panicked;
