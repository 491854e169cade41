//! What an observer from outside sees of a board: marks in its code, and how deep its stack was. Elsewhere than on a
//! Cortex-M there is nothing to see.

#[cfg(all(target_os = "none", target_arch = "arm"))]
mod here {
    pub(crate) use crate::cortex_m::{
        mark::{niwaki_mark_layer as layer, niwaki_mark_start as start, niwaki_mark_stop as stop},
        stack::paint,
    };

    pub(crate) fn stack() -> Option<(u32, u32)> {
        Some(crate::cortex_m::stack::used())
    }
}

#[cfg(not(all(target_os = "none", target_arch = "arm")))]
mod here {
    pub(crate) fn start() {}

    pub(crate) fn layer() {}

    pub(crate) fn stop() {}

    pub(crate) fn paint() {}

    pub(crate) fn stack() -> Option<(u32, u32)> {
        None
    }
}

pub(crate) use here::{layer, paint, stack, start, stop};
