//! Kernels measured on emulated cores: layers of given shapes, the firmware that counts them, and what peers take.

pub(crate) mod calibration;
pub(crate) mod code;
pub(crate) mod layer;
pub(crate) mod models;
pub(crate) mod network;
pub(crate) mod peers;
pub(crate) mod rig;
pub(crate) mod sources;
mod whole;
