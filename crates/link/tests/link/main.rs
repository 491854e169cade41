//! The client against the device through lines that lose, double, change and delay bytes.

mod conversation;
mod faults;
mod garbage;
mod simulated;
