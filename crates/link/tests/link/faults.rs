//! A conversation survives every single spoiled byte, and many random ones, with the same result.

use crate::simulated::{Fault, SimulatedLine, converse};
use proptest::prelude::*;

#[test]
fn any_one_byte_can_be_spoiled() {
    let mut clean = SimulatedLine::new(5, |_| None);
    assert_eq!(converse(&mut clean).unwrap(), 0);
    assert!(clean.passed > 300, "the exchange is too short to say anything: {} bytes", clean.passed);
    let faults = [Fault::Drop, Fault::Double, Fault::Flip(0x01), Fault::Flip(0xff), Fault::Late, Fault::Stall];
    for fault in faults {
        let mut repeats = 0;
        for place in 0..clean.passed {
            let mut line = SimulatedLine::new(5, |at| (at == place).then_some(fault));
            repeats += converse(&mut line).unwrap_or_else(|error| panic!("{fault:?} at byte {place}: {error}"));
            assert_eq!(line.board.runs, 1, "{fault:?} at byte {place}");
        }
        assert!(repeats as usize > clean.passed / 2, "{fault:?} was hardly noticed: {repeats} repeats");
    }
}

proptest! {
    #[test]
    fn a_bad_line_only_takes_longer(seed in any::<u64>()) {
        let mut state = seed | 1;
        // Knuth's generator: one byte in 400 is spoiled somehow.
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        };
        let spoil = |_| (random() % 400 == 0).then(|| match random() % 5 {
            0 => Fault::Drop,
            1 => Fault::Double,
            2 => Fault::Flip(random() as u8 | 1),
            3 => Fault::Late,
            _ => Fault::Stall,
        });
        // Five seconds hold six tries; with so many faults in so many bytes, all may be lost.
        match converse(&mut SimulatedLine::new(1200, spoil)) {
            Ok(_) | Err(niwaki_link::LinkError::Silent { .. } | niwaki_link::LinkError::Unfinished { .. }) => {}
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
