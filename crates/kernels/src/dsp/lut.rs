//! A function of one element by table, four elements at a time.

use super::word;
use crate::scalar;
use niwaki_blob::Lut;

/// As [`crate::scalar::lut`].
pub(crate) fn lut(op: &Lut<'_>, input: &[i8], output: &mut [i8]) {
    let Some(table) = op.table.first_chunk() else { return };
    let len = output.len().min(input.len());
    let words = len / 4;
    for word in 0..words {
        // SAFETY: four elements from `4 * word` on lie inside both slices.
        unsafe {
            let found = look_up(table, word::load(input.as_ptr().add(4 * word)));
            output.as_mut_ptr().add(4 * word).cast::<u32>().write_unaligned(found);
        }
    }
    let tail = input.get(4 * words..len).unwrap_or_default();
    scalar::lut(op, tail, output.get_mut(4 * words..len).unwrap_or_default());
}

/// As [`crate::scalar::lut_in_place`].
pub(crate) fn lut_in_place(op: &Lut<'_>, output: &mut [i8]) {
    let Some(table) = op.table.first_chunk() else { return };
    let words = output.len() / 4;
    for word in 0..words {
        // SAFETY: four elements from `4 * word` on lie inside the slice.
        unsafe {
            let place = output.as_mut_ptr().add(4 * word);
            place.cast::<u32>().write_unaligned(look_up(table, word::load(place)));
        }
    }
    scalar::lut_in_place(op, output.get_mut(4 * words..).unwrap_or_default());
}

/// Four entries.
#[inline(always)]
fn look_up(table: &[i8; 256], x: u32) -> u32 {
    // Flipping the sign bit adds 128.
    let x = x ^ 0x8080_8080;
    word::bytes(x.to_le_bytes().map(|byte| table[usize::from(byte)] as u32))
}
