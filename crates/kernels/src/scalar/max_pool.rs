//! Maximum over windows.

use super::axis::Axis;
use niwaki_blob::MaxPool;

/// The largest element under each window, channel by channel; padding never wins.
pub fn max_pool(op: &MaxPool, input: &[i8], output: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            pixel.fill(i8::MIN);
            for row in rows.covered(y) {
                for column in columns.covered(x) {
                    let elements = input.get((row * op.input.width + column) * channels..).unwrap_or_default();
                    for (out, element) in pixel.iter_mut().zip(elements) {
                        *out = (*out).max(*element);
                    }
                }
            }
        }
    }
}
