//! A function of one element, by table.

use niwaki_blob::Lut;

/// `output = table[input + 128]`.
pub fn lut(op: &Lut<'_>, input: &[i8], output: &mut [i8]) {
    let Some(table) = op.table.first_chunk() else { return };
    for (out, x) in output.iter_mut().zip(input) {
        *out = look_up(table, *x);
    }
}

/// [`lut`] with its operand in `output`.
pub fn lut_in_place(op: &Lut<'_>, output: &mut [i8]) {
    let Some(table) = op.table.first_chunk() else { return };
    for out in output {
        *out = look_up(table, *out);
    }
}

#[inline(always)]
fn look_up(table: &[i8; 256], x: i8) -> i8 {
    // Flipping the sign bit adds 128.
    table[usize::from(x as u8 ^ 0x80)]
}
