//! What is wrong with a blob or an arena is said, in every case.

mod common;

use common::{CRC, every_kind, seal, tiny};
use niwaki::{Arena, Error, Model, ReadError};
use niwaki_blob::AlignedBytes;

fn error(blob: &[u8]) -> Error {
    Model::read(blob).expect_err("must not be readable")
}

#[test]
fn a_small_arena() {
    let blob = tiny();
    let model = Model::read(&blob).unwrap();
    let mut arena = Arena::<4>::new();
    let expected = Error::ArenaTooSmall { needed: 5, available: 4 };
    assert_eq!(model.session(&mut arena).unwrap_err(), expected);
    assert_eq!(expected.to_string(), "the model needs an arena of 5 bytes, this one has 4");
    assert_eq!(model.session_in(&mut []).unwrap_err(), Error::ArenaTooSmall { needed: 5, available: 0 });
}

#[test]
fn an_unaligned_arena_starts_at_its_first_boundary() {
    let blob = tiny();
    let model = Model::read(&blob).unwrap();
    let mut arena = Arena::<32>::new();
    let memory = &mut arena.as_mut_slice()[1..];
    let mut session = model.session_in(memory).unwrap();
    assert!(session.input_mut(0).as_ptr().addr().is_multiple_of(16));
    let error = model.session_in(&mut arena.as_mut_slice()[13..20]).unwrap_err();
    assert_eq!(error, Error::ArenaTooSmall { needed: 5, available: 4 });
}

#[test]
fn scratch_counts_as_arena() {
    let mut net = common::Net::default();
    let (input, output) = (net.tensor([1, 1, 8], 0), net.tensor([1, 1, 8], 0));
    let table = net.writer.data(&[3i8; 256]);
    net.op(niwaki::OpKind::Lut, input, output, |op| op.weights = table);
    let blob = net.finish_with_scratch("scratch", &[(input, &[8])], &[(output, &[8])], 100);
    assert_eq!(niwaki::arena_bytes(&blob), 116);
    let model = Model::read(&blob).unwrap();
    let error = model.session(&mut Arena::<115>::new()).unwrap_err();
    assert_eq!(error, Error::ArenaTooSmall { needed: 116, available: 115 });
    assert!(model.session(&mut Arena::<116>::new()).is_ok());
}

#[test]
fn every_truncation() {
    let blob = tiny();
    for len in 0..blob.len() {
        assert_eq!(error(&blob[..len]), Error::Blob(ReadError::Truncated), "{len} bytes");
    }
}

#[test]
fn every_flipped_bit() {
    for blob in [tiny(), every_kind()] {
        let mut flipped = blob.clone();
        for bit in 0..blob.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            error(&flipped);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(Model::read(&flipped).is_ok());
    }
}

#[test]
fn another_version() {
    let mut blob = tiny();
    blob[4..6].copy_from_slice(&1u16.to_le_bytes());
    assert_eq!(error(&blob), Error::Blob(ReadError::Version { found: 1 }));
    assert_eq!(error(&blob).to_string(), "blob of format version 1; this reader knows version 4");
}

#[test]
fn another_file() {
    assert_eq!(error(b"\x7fELF and so on, longer than the header of a blob is: 64 bytes...."), {
        Error::Blob(ReadError::NotABlob)
    });
    assert_eq!(error(&[]), Error::Blob(ReadError::Truncated));
}

#[test]
fn a_misaligned_blob() {
    let blob = tiny();
    let mut memory = AlignedBytes::new(&vec![0; blob.len() + 16]);
    for offset in 1..16 {
        memory[offset..offset + blob.len()].copy_from_slice(&blob);
        assert_eq!(error(&memory[offset..offset + blob.len()]), Error::Blob(ReadError::Misaligned));
    }
}

#[test]
fn bytes_after_the_blob_are_ignored() {
    let blob = tiny();
    let slot = AlignedBytes::new(&[&*blob, &[0xff; 100]].concat());
    assert_eq!(Model::read(&slot).unwrap().summary().blob_bytes, blob.len());
}

#[test]
fn a_sealed_change_is_read_as_it_is() {
    // The checksum is against accidents; what it lets through is checked by itself.
    let mut blob = tiny();
    blob[20] = 4;
    assert_eq!(error(&blob), Error::Blob(ReadError::Checksum));
    seal(&mut blob);
    assert_eq!(error(&blob), Error::Blob(ReadError::Tensor { index: 1 }));
    assert_ne!(&blob[CRC], &tiny()[CRC]);
}

#[test]
fn errors_are_errors() {
    let blob: &dyn core::error::Error = &Error::Blob(ReadError::Checksum);
    assert_eq!(blob.source().unwrap().to_string(), "the blob is damaged: its checksum does not match");
    let arena: &dyn core::error::Error = &Error::ArenaTooSmall { needed: 2, available: 1 };
    assert!(arena.source().is_none());
}
