//! The serving loop of every board, on a simulated one.

mod model;
mod simulated;

use niwaki_board::NoCounter;
use niwaki_link::{Calibration, LinkError, Mode, Refusal};
use simulated::{STEP, Steps, Wall, connect};
use std::{sync::atomic::Ordering, time::Instant};

fn steps() -> Steps {
    Steps { now: 0, step: STEP }
}

#[test]
fn it_says_who_it_is() {
    let blob = model::blob();
    let crc = niwaki_blob::Blob::read(&blob).unwrap().crc();
    let client = connect(blob, steps()).0.unwrap();
    let identity = client.identity();
    assert_eq!((identity.board.as_str(), identity.model.as_str()), ("simulated", "sum"));
    assert_eq!((identity.blob_crc, identity.blob_version, identity.layers), (crc, niwaki_blob::VERSION, 3));
    assert_eq!((identity.input_bytes, identity.output_bytes, identity.arena_bytes), (1200, 603, 1800));
    assert_eq!(identity.counter.calibration, Some(Calibration { ticks: 30_000, instructions: 10_000 }));
}

#[test]
fn outputs_and_digests_are_the_runtimes() {
    let blob = model::blob();
    let (client, rises) = connect(blob.clone(), steps());
    let mut client = client.unwrap();
    for (count, seed) in (1..).zip([0, 5, 99]) {
        let input = model::input(seed);
        let (output, digests) = model::reference(&blob, &input);
        assert_eq!(client.infer(&input, Mode::Digest).unwrap(), (output, None));
        assert_eq!(client.digests().unwrap(), digests);
        assert_eq!(rises.load(Ordering::Relaxed), count, "one rise of the trigger per inference");
    }
}

#[test]
fn the_cost_of_measuring_is_taken_off() {
    let mut client = connect(model::blob(), steps()).0.unwrap();
    let input = model::input(1);
    // Two readings frame a run and nothing else reads the counter: nothing is left, so the counter did not move.
    client.load(&input).unwrap();
    assert!(matches!(client.run(Mode::Whole), Err(LinkError::Refused(Refusal::CounterStuck))));
    // With a clock, layers add up to the whole that was measured on its own.
    let mut client = connect(model::blob(), Wall(Instant::now())).0.unwrap();
    client.load(&input).unwrap();
    let whole = client.run(Mode::Layers).unwrap().unwrap();
    let layers = client.profile().unwrap();
    assert_eq!(layers.len(), 3);
    assert!(layers.iter().map(|ticks| u64::from(*ticks)).sum::<u64>() <= whole + whole / 10 + 10_000);
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let mut client = connect(model::blob(), NoCounter).0.unwrap();
    let refused = |result: Result<_, LinkError>, reason: Refusal| match result {
        Err(LinkError::Refused(found)) => assert_eq!(found, reason),
        other => panic!("{reason}: {other:?}"),
    };
    refused(client.run(Mode::Whole).map(drop), Refusal::InputMissing);
    refused(client.output().map(drop), Refusal::NoResult);
    refused(client.known_loop(10).map(drop), Refusal::NoCounter);
    client.load(&model::input(0)).unwrap();
    refused(client.run(Mode::Layers).map(drop), Refusal::NoCounter);
    assert_eq!(client.run(Mode::Whole).unwrap(), None);
    refused(client.profile().map(drop), Refusal::NoResult);
    refused(client.digests().map(drop), Refusal::NoResult);
    refused(client.run(Mode::Whole).map(drop), Refusal::InputMissing);
}

#[test]
fn a_board_without_a_usable_model_says_so() {
    let mut damaged = model::blob();
    damaged[100] ^= 1;
    let Err(error) = connect(damaged, steps()).0 else { panic!("it took a damaged blob") };
    assert!(matches!(error, LinkError::Refused(Refusal::NoModel)), "{error}");
}
