//! Damaged and forged blobs, with right checksums: whatever can be read can be run, and nothing panics.
//!
//! Tests are built with overflow checks, so arithmetic that wraps unintendedly fails here too.

mod common;

use common::{every_kind, seal, tiny};
use niwaki::{Model, OpKind};
use niwaki_kernels::problem::Random;
use proptest::prelude::*;

/// Largest arena that a forged blob gets.
const ARENA: usize = 1 << 14;

/// Reads and runs; whether it got that far.
fn survives(blob: &[u8]) -> bool {
    let Ok(model) = Model::read(blob) else { return false };
    let mut memory = vec![0x55; ARENA];
    let Ok(mut session) = model.session_in(&mut memory) else { return false };
    session.input_mut(0).fill(-128);
    session.input_mut(1).fill(127);
    session.run().expect("what was read runs");
    let mut layers = 0;
    session.run_observed(&mut |_: usize, _: OpKind, output: &[i8]| layers += usize::from(!output.is_empty())).unwrap();
    assert_eq!(layers, model.summary().ops, "no layer is empty");
    std::hint::black_box(session.output(0));
    true
}

/// Bytes that tend to sit on a border.
const BORDERS: [u8; 12] = [0, 1, 2, 3, 4, 8, 16, 0x7f, 0x80, 0xfe, 0xff, 64];

#[test]
fn changed_records_never_panic() {
    let blobs = [tiny(), every_kind()];
    let random = &mut Random::new(2);
    let mut ran = 0;
    for round in 0..20_000 {
        let mut blob = blobs[round % 2].clone();
        // Headers, records and the manifest lie before the data: nearly all changes go there.
        let data = u32::from_le_bytes(blob[56..60].try_into().unwrap()) as usize;
        for _ in 0..random.between(1, 4) {
            let end = if random.between(0, 9) == 0 { blob.len() } else { data };
            let at = random.between(16, end as i64 - 1) as usize;
            blob[at] = match random.between(0, 2) {
                0 => BORDERS[random.between(0, 11) as usize],
                1 => blob[at] ^ 1 << random.between(0, 7),
                _ => random.bits() as u8,
            };
        }
        seal(&mut blob);
        ran += usize::from(survives(&blob));
    }
    // If nearly none were readable, the kernels would not have been tried.
    assert!(ran > 2_000, "only {ran} blobs ran");
}

#[test]
fn each_field_of_each_record_at_its_borders_never_panics() {
    let original = every_kind();
    let word = |at: usize| u32::from_le_bytes(original[at..at + 4].try_into().unwrap()) as usize;
    let (tensors, data) = (word(40), word(56));
    let mut ran = 0;
    for at in (tensors..data).step_by(2) {
        for value in [0u16, 1, 2, 5, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xfffe, 0xffff] {
            let mut blob = original.clone();
            blob[at..at + 2].copy_from_slice(&value.to_le_bytes());
            seal(&mut blob);
            ran += usize::from(survives(&blob));
        }
    }
    assert!(ran > 500, "only {ran} blobs ran");
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert!(!survives(&bytes));
    }

    #[test]
    fn any_bytes_after_a_header_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 64..600)) {
        let good = tiny();
        bytes[..64].copy_from_slice(&good[..64]);
        let total = bytes.len() as u32;
        bytes[8..12].copy_from_slice(&total.to_le_bytes());
        seal(&mut bytes);
        survives(&niwaki_blob::AlignedBytes::new(&bytes));
    }

    #[test]
    fn swapped_records_never_panic(from in 0usize..13, to in 0usize..13) {
        let mut blob = every_kind();
        let ops = u32::from_le_bytes(blob[48..52].try_into().unwrap()) as usize;
        for byte in 0..64 {
            blob.swap(ops + from * 64 + byte, ops + to * 64 + byte);
        }
        seal(&mut blob);
        survives(&blob);
    }
}
