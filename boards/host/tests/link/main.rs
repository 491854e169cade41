//! The same model on this process and on every emulated Cortex-M, over the same link.
//!
//! The firmware is built by these tests, as `cargo xtask` builds it. QEMU (`qemu-system-arm`) must be installed.

mod board;
#[path = "../../../support/tests/board/model.rs"]
mod model;

use board::{Emulated, Running};
use niwaki_link::{CounterKind, LinkError, LogEvent, Mode};
use std::{
    io::Write,
    time::{Duration, Instant},
};

#[test]
fn a_process_computes_what_the_runtime_computes() {
    let mut board = Running::process(&model::blob());
    let client = &mut board.client;
    assert_eq!(client.identity().board, "host");
    assert_eq!(client.identity().counter.kind, CounterKind::Nanoseconds);
    for seed in 0..20 {
        let input = model::input(seed);
        let (output, digests) = model::reference(&model::blob(), &input);
        assert_eq!(client.infer(&input, Mode::Digest).unwrap().0, output);
        assert_eq!(client.digests().unwrap(), digests);
        let (again, ticks) = client.infer(&input, Mode::Whole).unwrap();
        assert_eq!(again, output);
        assert!(ticks.is_some_and(|nanoseconds| nanoseconds > 0));
    }
}

#[test]
fn a_cortex_m0_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("microbit");
}

#[test]
fn a_cortex_m3_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("mps2-an385");
}

#[test]
fn a_cortex_m4_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("mps2-an386");
}

#[test]
fn a_cortex_m7_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("mps2-an500");
}

#[test]
fn a_cortex_m33_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("mps2-an505");
}

#[test]
fn a_cortex_m55_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("mps3-an547");
}

#[test]
fn an_stm32f405_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("netduinoplus2");
}

#[test]
fn an_stm32l475_computes_the_same_and_counts_instructions() {
    computes_the_same_and_counts_instructions("b-l475e-iot01a");
}

fn computes_the_same_and_counts_instructions(name: &str) {
    let emulated = Emulated::read(name);
    let mut board = Running::emulated(&emulated, &[]);
    let client = &mut board.client;
    assert_eq!(client.identity().board, name);
    let calibration = client.identity().counter.calibration.expect("a calibrated counter");
    // An instruction takes 2^shift nanoseconds of emulated time, a tick 10^9 / clock.
    let ticks = u128::from(calibration.ticks) * 1_000_000_000;
    let instructions = u128::from(calibration.instructions) << emulated.icount_shift;
    assert_eq!(ticks, instructions * u128::from(emulated.clock_hz));

    // Known loops come out right to the instruction, also where a 24-bit counter wraps.
    let wrap = (1u64 << 24) * u64::from(calibration.instructions) / u64::from(calibration.ticks);
    let around_wrap = wrap as u32 - 40..wrap as u32 + 40;
    for known in [0, 1, 2, 3, 100, 101, 12_345, 6_000_000, 6_000_001].into_iter().chain(around_wrap) {
        let ticks = client.known_loop(known).unwrap();
        assert_eq!(calibration.instructions(ticks), u64::from(known), "{ticks} ticks");
    }

    let mut counts = Vec::new();
    for seed in [0, 7] {
        let input = model::input(seed);
        let (output, digests) = model::reference(&model::blob(), &input);
        assert_eq!(client.infer(&input, Mode::Digest).unwrap().0, output);
        assert_eq!(client.digests().unwrap(), digests);
        let ticks = client.infer(&input, Mode::Whole).unwrap().1.unwrap();
        assert_eq!(client.infer(&input, Mode::Whole).unwrap(), (output, Some(ticks)), "twice the same, to the tick");

        let whole = client.infer(&input, Mode::Layers).unwrap().1.unwrap();
        let layers = client.profile().unwrap();
        let sum: u64 = layers.iter().map(|ticks| u64::from(*ticks)).sum();
        assert!(sum.abs_diff(whole) * 50 <= whole, "layers {layers:?} add up to {sum}, the whole took {whole}");
        assert!(ticks.abs_diff(whole) * 50 <= whole, "unobserved {ticks}, observed {whole}");
        counts.push((ticks, layers));
    }
    let count = |ticks: u64| calibration.instructions(ticks);
    for (ticks, layers) in &counts {
        let layers: Vec<u64> = layers.iter().map(|ticks| count(u64::from(*ticks))).collect();
        println!("{name}: {} instructions, by layer {layers:?}", count(*ticks));
    }

    // Another process, with noise on the line before the first request: the same counts.
    let mut other = Running::emulated(&emulated, &[0x55; 999]);
    let input = model::input(0);
    assert_eq!(other.client.infer(&input, Mode::Whole).unwrap().1.unwrap(), counts[0].0);
    other.client.infer(&input, Mode::Layers).unwrap();
    assert_eq!(other.client.profile().unwrap(), counts[0].1);
}

#[test]
fn a_reset_in_the_middle_is_noticed_within_two_seconds() {
    let (mut board, mut monitor) = Running::emulated_with_monitor(&Emulated::read("mps2-an386"));
    let client = &mut board.client;
    client.load(&model::input(0)).unwrap();
    monitor.write_all(b"system_reset\n").unwrap();
    // The monitor obeys when it gets to it; until then the board goes on as if nothing had happened.
    let start = Instant::now();
    let (noticed, after) = loop {
        // The request during which it happened is the one that fails.
        let asked = Instant::now();
        match client.infer(&model::input(0), Mode::Whole) {
            Err(error) => break (error, asked.elapsed()),
            Ok(_) => assert!(start.elapsed() < Duration::from_secs(60), "QEMU does not reset its board"),
        }
    };
    assert!(matches!(noticed, LinkError::Reset { .. }), "{noticed}");
    assert!(after < Duration::from_secs(2), "it took {after:?}");
}

#[test]
fn logs_arrive_before_the_answer() {
    let mut board = Running::emulated(&Emulated::read("mps2-an386"), &[]);
    let before: usize = board.logged();
    assert!(before > 0, "a board logs that it is ready");
    // Refused, and logged: nothing is loaded.
    assert!(matches!(board.client.run(Mode::Whole), Err(LinkError::Refused(_))));
    assert!(board.logged() > before);
    assert!(!board.log.borrow().iter().any(|event| matches!(event, Err(_lost))), "nothing is lost");
}

/// Keeps what a log event says beyond its call.
fn keep(event: LogEvent<'_>) -> Result<Vec<u8>, u32> {
    match event {
        LogEvent::Bytes(bytes) => Ok(bytes.to_vec()),
        LogEvent::Lost(count) => Err(count),
    }
}
