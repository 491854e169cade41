//! Checks of packed and sparse weights: after them a kernel can follow a stream without looking where it leads.

use crate::{OpRecord, PackedConv2d, PackedWeights, STREAM_SLACK, fits::multiplier};

/// Most products of one output: what they are multiplied with fits every memory that there is.
const MAX_TERMS: u64 = 1 << 24;

/// Whether there is a rule for every row, and none needs a shift: packed kernels have none.
pub(crate) fn rules(record: &OpRecord, packed: &PackedWeights<'_>) -> bool {
    let mut good = record.shift == 0 && packed.rows > 0 && !packed.rules.is_empty();
    let mut rest = packed.rules;
    while good && let Some((rule, behind)) = rest.split_at_checked(2 * packed.rows) {
        good = rule.iter().skip(packed.rows).all(|value| multiplier(*value));
        rest = behind;
    }
    good
}

/// What holds for dense and sparse convolutions.
pub(crate) fn convolution(record: &OpRecord, conv: &PackedConv2d<'_>) -> bool {
    let terms = [conv.window.kernel[0], conv.window.kernel[1], conv.input.channels];
    rules(record, &conv.packed) && (1..=MAX_TERMS).contains(&terms.iter().fold(1, |n, k| n * *k as u64))
}

/// Nine taps, and the middle one of every column twice.
pub(crate) fn depthwise(record: &OpRecord, conv: &PackedConv2d<'_>) -> bool {
    let columns = conv.packed.weights.as_chunks::<4>().0;
    conv.window.kernel == [3, 3]
        && conv.window.dilation == [1, 1]
        && conv.input.channels == conv.output.channels
        && !columns.is_empty()
        && columns.iter().all(|[_, middle, again, _]| middle == again)
        && rules(record, &conv.packed)
}

/// Whether every group has its streams, which end, stay inside `quads` and fill the bytes but for the slack.
pub(crate) fn streams(packed: &PackedWeights<'_>, outputs: usize, quads: usize, step: usize) -> bool {
    let groups = outputs.div_ceil(packed.rows.max(1));
    let mut rest = packed.weights;
    for _ in 0..groups {
        for (_, rows) in packed.streams() {
            match stream(rest, 4 * rows, quads.saturating_mul(step), step) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
    }
    rest.len() == STREAM_SLACK
}

/// The bytes behind one stream.
fn stream(mut rest: &[i8], block: usize, end: usize, step: usize) -> Option<&[i8]> {
    let mut position = 0usize;
    loop {
        let (offsets, behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        let [a, b, c, d] = offsets.map(|byte| byte as u8);
        for offset in [i16::from_le_bytes([a, b]), i16::from_le_bytes([c, d])] {
            let Ok(offset) = usize::try_from(offset) else { return Some(rest) };
            position = position.checked_add(offset).filter(|at| *at < end && at.is_multiple_of(step))?;
            rest = rest.get(block..)?;
        }
    }
}
