//! A plugin for QEMU that counts the instructions that an emulated Cortex-M executes and estimates its cycles.
//!
//! Every executed Thumb instruction is priced by the documented timing of the core (`price`), for memory without wait
//! states. What comes out is an **estimate**: there are no caches, no bus, no write buffer and no branch predictor in
//! it. `cargo xtask` builds the plugin and hands it to QEMU 9.0 or newer:
//!
//! ```text
//! -plugin libniwaki_cycles.so,core=cortex-m4,out=FILE[,mark=HEX]...[,ignore=HEX-HEX]...
//! ```
//!
//! Whenever the instruction at a mark is about to be executed, one line goes to the file: the totals since the start,
//! that instruction not included. One more follows when QEMU ends. What lies between two marks is their difference.
//! Code in an ignored range, an interrupt handler's say, counts nothing and leaves no trace in the pricing of others.
//!
//! Tests are in `xtask/src/cycles/micro.rs`, where QEMU runs small loops whose cost the manuals give.
//!
//! One core only, and no `-icount`: there, QEMU may start a block of code anew in its middle.

mod decode;
mod float;
mod narrow;
mod plugin;
mod price;
mod qemu;
mod tally;
mod trace;
mod wide;
