//! Maximum over windows, four channels at a time.

use super::word;
use crate::scalar::{self, axis::Axis};
use niwaki_blob::MaxPool;

/// Four times -128.
const LOWEST: u32 = 0x8080_8080;

/// As [`crate::scalar::max_pool`].
pub(crate) fn max_pool(op: &MaxPool, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels;
    let complete = input.len() == op.input.elements() && op.input.channels == channels;
    if !complete || !channels.is_multiple_of(4) {
        return scalar::max_pool(op, input, output);
    }
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    let pitch = op.input.width * channels;
    let mut at = 0;
    for y in 0..op.output.height {
        let rows = rows.covered(y);
        for x in 0..op.output.width {
            let columns = columns.covered(x);
            let first = rows.start * pitch + columns.start * channels;
            let Some(pixel) = output.get_mut(at..at + channels) else { return };
            at += channels;
            for (tile, out) in pixel.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut largest = LOWEST;
                let mut line = first + 4 * tile;
                for _ in rows.clone() {
                    let mut place = line;
                    for _ in columns.clone() {
                        // SAFETY: what a window covers lies inside the input, which has all of its elements.
                        largest = word::max8(largest, unsafe { word::load(input.as_ptr().add(place)) });
                        place += channels;
                    }
                    line += pitch;
                }
                *out = largest.to_le_bytes().map(|byte| byte as i8);
            }
        }
    }
}
