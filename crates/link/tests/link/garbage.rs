//! No bytes make either side panic, and after any bytes a board still answers.

use crate::simulated::{SimulatedLine, converse, settings};
use niwaki_link::{Client, Device, MAX_FRAME, Receiver, Transport, checksum};
use proptest::prelude::*;
use std::{io, time::Duration};

/// A board that sends prepared bytes and listens to nobody.
struct Babble(Vec<u8>);

impl Transport for Babble {
    fn name(&self) -> &str {
        "babble"
    }

    fn send(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _patience: Duration) -> io::Result<usize> {
        let len = self.0.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0.drain(..len);
        Ok(len)
    }
}

/// Any content with a checksum that is right: what gets past the first check.
fn sealed(content: &[u8]) -> Vec<u8> {
    let content = [content, &checksum(content).to_le_bytes()].concat();
    let mut frame = vec![0; content.len() * 2 + 2];
    let len = cobs::encode(&content, &mut frame[1..]);
    frame.truncate(len + 2);
    frame
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let any_byte = || prop_oneof![Just(0u8), Just(1), Just(0xff), any::<u8>()];
    let raw = prop::collection::vec(any_byte(), 0..2 * MAX_FRAME);
    // The right version in front, so that the body is decoded.
    let body = prop::collection::vec(any_byte(), 0..600);
    prop_oneof![raw, body.prop_map(|body| sealed(&[&[niwaki_link::PROTOCOL], &body[..]].concat()))]
}

proptest! {
    // Debug builds take a while for the checksums of so many bytes.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_board_takes_anything(noise in prop::collection::vec(bytes(), 1..3)) {
        // A request that is well-formed by chance may be carried out, so the handler here must take any, too.
        let mut line = SimulatedLine::new(5, |_| None);
        for byte in noise.iter().flatten() {
            line.device.feed(*byte, &mut Careless);
        }
        prop_assert!(converse(&mut line).is_ok());
    }

    #[test]
    fn a_host_takes_anything(noise in bytes()) {
        let client = Client::connect(Babble(noise), settings(), |_| {});
        prop_assert!(client.is_err());
    }

    #[test]
    fn a_receiver_gives_only_what_was_sealed(noise in prop::collection::vec(any::<u8>(), 0..3 * MAX_FRAME)) {
        let mut receiver = Receiver::new();
        prop_assert!(noise.iter().all(|byte| receiver.feed(*byte).is_none()));
    }
}

struct Careless;

impl niwaki_link::Handler for Careless {
    fn handle(&mut self, _request: niwaki_link::Request<'_>) -> niwaki_link::Response<'_> {
        niwaki_link::Response::Ran { ticks: None }
    }
}

#[test]
fn a_board_of_another_version_is_named() {
    let mut device = Device::new();
    let question = sealed(&[niwaki_link::PROTOCOL + 1, 1, 2, 3]);
    let answers = question.iter().filter_map(|byte| device.feed(*byte, &mut Careless).map(<[u8]>::to_vec));
    let answer = answers.last().expect("an answer to a question in another version");
    assert_eq!(answer, Device::booted().as_slice());

    let foreign = sealed(&[niwaki_link::PROTOCOL + 1, 2]);
    let Err(error) = Client::connect(Babble(foreign), settings(), |_| {}) else { panic!("it answered") };
    assert!(error.to_string().contains("build and flash the firmware again"), "{error}");
}
