//! One operand of a concatenation.

use super::pieces;
use niwaki_blob::Concat;

/// Copies the input into the output at `origin`; the rest of the output stays as it is.
pub fn concat(op: &Concat, input: &[i8], output: &mut [i8]) {
    let (from, to) = (op.input, op.output);
    let [top, left, first] = op.origin;
    let line_len = from.width * from.channels;
    // Where pixels are equally deep, a line stays one piece; elsewhere every pixel is one.
    let run_len = if from.channels == to.channels { line_len } else { from.channels };
    for (y, line) in pieces(input, line_len).enumerate() {
        for (x, run) in pieces(line, run_len).enumerate() {
            let at = ((top + y) * to.width + left + x) * to.channels + first;
            for (out, x) in output.get_mut(at..).unwrap_or_default().iter_mut().zip(run) {
                *out = *x;
            }
        }
    }
}
