//! Weights of which many are zero, one by one, in less room: for flash, not for speed.

use crate::repack::{Form, Weights, repack_as};
use niwaki_blob::{AlignedBytes, Op, OpKind, WriteError};
use niwaki_kernels::Isa;

/// Data start on multiples of this: fewer bytes saved may be none.
const ALIGNMENT: usize = 16;

/// The same network with compact weights wherever they take less room than plain ones: those that are not zero, and a bit
/// for each. That is so from an eighth of zeros on, wherever they lie, which is what pruning single weights or N:M leaves.
///
/// Such layers run on every core, slower than plain ones, and [`crate::repack`] leaves them as they are: a choice of flash
/// over speed.
pub fn compact(bytes: &[u8]) -> Result<AlignedBytes, WriteError> {
    repack_as(bytes, Isa::Scalar, |_, op| {
        let kind = match op {
            Op::Conv2d(_) => OpKind::CompactConv2d,
            Op::FullyConnected(_) => OpKind::CompactFullyConnected,
            _ => return None,
        };
        let plain = match op {
            Op::Conv2d(conv) => conv.weights,
            Op::FullyConnected(layer) => layer.weights,
            _ => &[],
        };
        let kept = plain.iter().filter(|weight| **weight != 0).count();
        let outputs = Weights::outputs(op);
        let bits = outputs * (plain.len() / outputs.max(1)).div_ceil(8);
        let smaller = kept + bits + ALIGNMENT < plain.len();
        smaller.then_some(Form { kind, rows: 1, sparse: true, unit: 0 })
    })
}
