//! Bytes from anywhere: a reader says no, or hands out views that hold.

mod common;

use common::{changed, seal, visit, word};
use niwaki_blob::{AlignedBytes, Blob, OpKind};
use proptest::prelude::*;

fn kind() -> impl Strategy<Value = OpKind> {
    (0..OpKind::ALL.len()).prop_map(|at| OpKind::ALL[at])
}

proptest! {
    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        prop_assert!(Blob::read(&AlignedBytes::new(&bytes)).is_err());
    }

    #[test]
    fn any_bytes_behind_a_good_header(kind in kind(), rest in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let good = changed(kind, |_| ()).unwrap();
        let mut blob = AlignedBytes::new(&[&good[..64], &rest].concat());
        let total = blob.len() as u32;
        blob[8..12].copy_from_slice(&total.to_le_bytes());
        seal(&mut blob);
        Blob::read(&blob).iter().for_each(visit);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn changed_bytes(
        kind in kind(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), any::<bool>()), 1..5),
    ) {
        let mut blob = changed(kind, |_| ()).unwrap();
        let records = word(&blob, 56) as usize;
        for (at, value, flip) in changes {
            // Behind magic, version and length, and before the data, every byte means something.
            let at = 16 + at.index(records - 16);
            blob[at] = if flip { blob[at] ^ 1 << (value % 8) } else { value };
        }
        seal(&mut blob);
        Blob::read(&blob).iter().for_each(visit);
    }
}
