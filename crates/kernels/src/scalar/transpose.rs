//! Dimensions in another order.

use niwaki_blob::Transpose;

/// Output dimension `i` is input dimension `perm[i]`.
pub fn transpose(op: &Transpose, input: &[i8], output: &mut [i8]) {
    let sizes = [op.input.height, op.input.width, op.input.channels];
    let steps = [op.input.width * op.input.channels, op.input.channels, 1];
    let of = |list: [usize; 3], i: usize| op.perm.get(i).and_then(|axis| list.get(*axis)).copied().unwrap_or(0);
    let (width, channels) = (of(sizes, 1), of(sizes, 2).max(1));
    for (y, line) in output.chunks_exact_mut((width * channels).max(1)).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let first = y * of(steps, 0) + x * of(steps, 1);
            for (channel, out) in pixel.iter_mut().enumerate() {
                *out = input.get(first + channel * of(steps, 2)).copied().unwrap_or(0);
            }
        }
    }
}
