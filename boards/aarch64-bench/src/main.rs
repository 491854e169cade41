//! Counts the instructions of every layer of the four MLPerf Tiny models on the core that QEMU emulates, and checks every
//! result against the scalar kernels.
//!
//! Output, fields separated by tabs: `core NAME ISA`, `layer MODEL NAME MACS SCALAR BEST` and `model NAME MACS SCALAR
//! BEST PEER RATIO`, in instructions. To run it, in `boards/`, for CPU `cortex-a53` or `cortex-a72`:
//!
//! ```sh
//! export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="-C link-self-contained=no -C relocation-model=static"
//! cargo build --release -p aarch64-bench --target aarch64-unknown-linux-musl
//! qemu-system-aarch64 -machine virt -cpu $CPU -m 512 -icount shift=4 -display none -monitor none -serial none \
//!     -semihosting -kernel target/aarch64-unknown-linux-musl/release/aarch64-bench
//! ```
//!
//! The target's features decide which instruction set is best, as there is no `std` to ask the CPU: for `cortex-a76` add
//! `-C target-feature=+dotprod`, and a target folder of its own.
#![no_std]
#![no_main]

extern crate alloc;

mod machine;
mod models;
mod peers;

use alloc::vec;
use core::fmt::Write;
use machine::{Console, exit, known_loop, ticks};
use niwaki_blob::Op;
use niwaki_kernels::{ALL_OPS, Isa, Operands, problem::Problem, run};

#[unsafe(no_mangle)]
extern "C" fn rust_start() -> ! {
    let status = match bench() {
        Ok(true) => 0,
        _ => 1,
    };
    exit(status)
}

/// Whether every result was right.
fn bench() -> Result<bool, core::fmt::Error> {
    let out = &mut Console;
    let (short, long) = (ticks(|| known_loop(10_000)), ticks(|| known_loop(20_000)));
    // Reading the counter ends a block of QEMU's, which costs a few ticks now and then.
    if (long - short).abs_diff(20_000) > 8 {
        writeln!(out, "a tick is not an instruction: 20000 instructions took {} ticks", long - short)?;
        return Ok(false);
    }
    let isa = Isa::current();
    let core = peers::this_core();
    writeln!(out, "core\t{}\t{isa:?}", core.map_or("unknown", |core| core.name))?;
    let mut right = true;
    for (model, layers) in models::all() {
        let mut total = [0; 3];
        for (name, problem) in layers {
            let counts = [macs(&problem), count(&problem, Isa::Scalar), count(&problem, isa)];
            if let Err(error) = problem.check(isa) {
                writeln!(out, "wrong\t{error}")?;
                right = false;
            }
            writeln!(out, "layer\t{model}\t{name}\t{}\t{}\t{}", counts[0], counts[1], counts[2])?;
            for (total, count) in total.iter_mut().zip(counts) {
                *total += count;
            }
        }
        write!(out, "model\t{model}\t{}\t{}\t{}", total[0], total[1], total[2])?;
        if let Some(peer) = core.and_then(|core| core.peer(model)) {
            let hundredths = (total[2] * 100).div_ceil(peer);
            write!(out, "\t{peer}\t{}.{:02}", hundredths / 100, hundredths % 100)?;
        }
        writeln!(out)?;
    }
    Ok(right)
}

/// Instructions of one run with the kernels of an instruction set.
fn count(problem: &Problem, isa: Isa) -> u64 {
    let op = problem.op();
    let mut output = vec![0; problem.output.elements()];
    let operands = match op {
        Op::Add(_) | Op::Mul(_) => Operands::Two(&problem.a, &problem.b),
        _ => Operands::One(&problem.a),
    };
    ticks(|| {
        run::<ALL_OPS>(isa, &op, operands, &mut output, &mut []);
    })
}

/// Multiplications that the operation stands for, without padding taken into account.
fn macs(problem: &Problem) -> u64 {
    let terms = match problem.op() {
        Op::Conv2d(op) | Op::DepthwiseConv2d(op) => {
            op.window.kernel[0] * op.window.kernel[1] * op.input.channels / op.groups
        }
        Op::FullyConnected(op) => op.inputs,
        _ => 0,
    };
    (terms * problem.output.elements()) as u64
}
