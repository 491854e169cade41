//! What readers demand of weights, in every layout, and of what goes with them.

mod common;

use common::{changed, refuses};
use niwaki_blob::OpKind;

#[test]
fn weights_and_rules() {
    use OpKind::{AvgPool, Conv2d, DepthwiseConv2d, FullyConnected, Lut, Softmax};
    refuses(
        &[Conv2d, DepthwiseConv2d, FullyConnected],
        &[
            ("weights outside", |op| op.weights = 1 << 20),
            ("weights off a boundary", |op| op.weights = 8),
            ("biases outside", |op| op.bias = u32::MAX),
            ("biases off a boundary", |op| op.bias += 4),
            ("multipliers outside", |op| op.multipliers = 1 << 20),
            ("odd multipliers", |op| op.multipliers = common::BIAS),
        ],
    );
    refuses(&[Lut, Softmax], &[("a table outside", |op| op.weights = 1 << 20)]);
    refuses(&[Softmax], &[("a table that does not start in full", |op| op.weights = 16)]);
    refuses(
        &[AvgPool],
        &[
            ("multipliers for some counts", |op| op.q[0] = 8),
            ("a negative number of multipliers", |op| op.q[0] = -1),
            ("no multipliers", |op| op.q[0] = 0),
        ],
    );
}

#[test]
fn packed_weights() {
    use OpKind::{PackedConv2d, PackedDepthwiseConv2d, PackedFullyConnected, SparseConv2d, SparseFullyConnected};
    let (sparse, convolutions) = ([SparseConv2d, SparseFullyConnected], [PackedConv2d, SparseConv2d]);
    refuses(
        &[PackedConv2d, PackedDepthwiseConv2d, PackedFullyConnected, SparseConv2d, SparseFullyConnected],
        &[
            ("weights outside", |op| op.weights = 1 << 20),
            ("rules outside", |op| op.bias = 1 << 20),
            ("odd multipliers", |op| op.bias = common::BIAS),
            ("a shift", |op| op.shift = 1),
        ],
    );
    refuses(&convolutions, &[("windows past the input", |op| op.p[3] = 3), ("no taps", |op| op.p[0] = 0)]);
    refuses(
        &[PackedDepthwiseConv2d],
        &[
            ("other taps", |op| op.p[0] = 2),
            ("dilation", |op| op.p[4] = 2),
            ("middle taps that differ", |op| op.weights = common::LAYER_STREAM),
        ],
    );
    refuses(
        &sparse,
        &[
            ("no rows", |op| op.q[0] = 0),
            ("three rows", |op| op.q[0] = 3),
            ("a stream that is cut off", |op| op.q[1] -= 16),
            ("a stream with more behind it", |op| op.q[1] += 16),
            ("no stream", |op| op.q[1] = 0),
            ("offsets that never end", |op| (op.weights, op.q[1]) = (common::ZEROS, 256)),
            ("offsets outside", |op| op.weights = common::RULES),
        ],
    );
    refuses(&[SparseConv2d], &[("four rows", |op| op.q[0] = 4), ("a window that the stream leaves", |op| op.p[0] = 1)]);
}

#[test]
fn interleaved_weights() {
    use OpKind::{InterleavedFullyConnected, SparseInterleavedFullyConnected, WinogradFullyConnected};
    refuses(
        &[InterleavedFullyConnected, SparseInterleavedFullyConnected, WinogradFullyConnected],
        &[
            ("weights outside", |op| op.weights = 1 << 20),
            ("rules outside", |op| op.bias = 1 << 20),
            ("odd multipliers", |op| op.bias = common::BIAS),
            ("a shift", |op| op.shift = 1),
        ],
    );
    refuses(
        &[SparseInterleavedFullyConnected],
        &[
            ("a stream that is cut off", |op| op.q[1] -= 16),
            ("a stream with more behind it", |op| op.q[1] += 16),
            ("offsets that never end", |op| (op.weights, op.q[1]) = (common::ZEROS, 256)),
            ("offsets of another step", |op| op.weights = common::CONV_STREAM),
        ],
    );
    refuses(
        &[WinogradFullyConnected],
        &[
            ("constants of other weights", |op| op.weights = common::MULTIPLIERS),
            ("weights of -128", |op| op.weights = common::WINOGRAD_LOWEST),
        ],
    );
}

#[test]
fn block_weights() {
    let kinds = [OpKind::BlockConv2d, OpKind::BlockFullyConnected];
    refuses(
        &kinds,
        &[
            ("weights outside", |op| op.weights = 1 << 20),
            ("a weight of -128", |op| op.weights = common::WEIGHTS),
            ("biases outside", |op| op.bias = 1 << 20),
            ("odd multipliers", |op| op.multipliers = common::BIAS),
            ("a shift", |op| op.shift = 1),
            ("no rows", |op| op.q[0] = 0),
            ("three rows", |op| op.q[0] = 3),
            ("two rows, whose groups have no units", |op| op.q[0] = 2),
            ("units of one", |op| op.groups = 1),
            ("units of three", |op| op.groups = 3),
            ("units of four, of which there are not as many", |op| op.groups = 4),
            ("fewer blocks", |op| op.q[1] = 2),
            ("more blocks", |op| op.q[1] = 6),
            ("a negative number of blocks", |op| op.q[1] = -4),
            ("an index outside", |op| op.q[2] = 1 << 20),
            ("quads outside", |op| op.q[2] = common::RULES as i32),
            ("a negative index", |op| op.q[2] = -2),
        ],
    );
    refuses(&kinds[..1], &[("windows past the input", |op| op.p[3] = 3), ("no taps", |op| op.p[0] = 0)]);
    // Two groups of eight and of five quads: without an index they are all there, the latter in three units.
    for kind in kinds {
        assert_eq!(changed(kind, |op| op.q = [4, 0, -1]).err(), None, "{kind:?}");
        assert_eq!(changed(kind, |op| (op.q, op.groups) = ([4, 0, -1], 4)).err(), None, "{kind:?}");
    }
}

#[test]
fn compact_weights() {
    let kinds = [OpKind::CompactConv2d, OpKind::CompactFullyConnected];
    refuses(
        &kinds,
        &[
            ("weights outside", |op| op.weights = 1 << 20),
            ("biases outside", |op| op.bias = 1 << 20),
            ("odd multipliers", |op| op.multipliers = common::BIAS),
            ("fewer weights than bits", |op| op.q[0] -= 1),
            ("more weights than bits", |op| op.q[0] += 1),
            ("a negative number of weights", |op| op.q[0] = -op.q[0]),
            ("bits outside", |op| op.q[1] = 1 << 20),
            ("bits that start elsewhere", |op| op.q[1] += 8),
            ("negative bits", |op| op.q[1] = -op.q[1]),
        ],
    );
    refuses(
        &kinds[..1],
        &[
            ("windows past the input", |op| op.p[3] = 3),
            ("no taps", |op| op.p[0] = 0),
            ("no groups", |op| op.groups = 0),
            ("groups that do not divide", |op| op.groups = 2),
            // -77 in every word: bits where no term is.
            ("bits behind the last term", |op| op.q = [15 * 7, common::BIAS as i32, 0]),
        ],
    );
}
