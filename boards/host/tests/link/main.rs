//! The same model on two boards, this process and a Cortex-M4 under QEMU, over the same link.
//!
//! The firmware is built by these tests, as `cargo xtask` builds it. QEMU (`qemu-system-arm`) must be installed.

mod board;
#[path = "../../../support/tests/board/model.rs"]
mod model;

use board::Running;
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
fn an_emulated_board_computes_the_same_and_counts_instructions() {
    let mut board = Running::emulated(&[]);
    let client = &mut board.client;
    assert_eq!(client.identity().board, "mps2-an386");
    let calibration = client.identity().counter.calibration.expect("a calibrated counter");
    // icount shift 8: 256 ns for an instruction; 25 MHz: 40 ns for a tick.
    assert_eq!(u64::from(calibration.ticks) * 40, u64::from(calibration.instructions) * 256);

    // Known loops come out right to the instruction, also where the 24-bit counter wraps (at 2,621,440).
    let around_wrap = 2_621_400..2_621_480;
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
        println!("{} instructions, by layer {layers:?}", count(*ticks));
    }

    // Another process, with noise on the line before the first request: the same counts.
    let mut other = Running::emulated(&[0x55; 999]);
    let input = model::input(0);
    assert_eq!(other.client.infer(&input, Mode::Whole).unwrap().1.unwrap(), counts[0].0);
    other.client.infer(&input, Mode::Layers).unwrap();
    assert_eq!(other.client.profile().unwrap(), counts[0].1);
}

#[test]
fn a_reset_in_the_middle_is_noticed_within_two_seconds() {
    let (mut board, mut monitor) = Running::emulated_with_monitor();
    let client = &mut board.client;
    client.load(&model::input(0)).unwrap();
    monitor.write_all(b"system_reset\n").unwrap();
    // The monitor obeys when it gets to it; until then the board goes on as if nothing had happened.
    let start = Instant::now();
    let noticed = loop {
        match client.infer(&model::input(0), Mode::Whole) {
            Err(error) => break error,
            Ok(_) => assert!(start.elapsed() < Duration::from_secs(60), "QEMU does not reset its board"),
        }
    };
    assert!(matches!(noticed, LinkError::Reset { .. }), "{noticed}");
}

#[test]
fn logs_arrive_before_the_answer() {
    let mut board = Running::emulated(&[]);
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
