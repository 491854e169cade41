//! Softmax over the channels of every pixel, four elements at a time.

use super::word;
use niwaki_blob::Softmax;

/// As [`crate::scalar::softmax`].
pub(crate) fn softmax(op: &Softmax<'_>, input: &[i8], output: &mut [i8]) {
    let channels = op.shape.channels.max(1);
    let Some(table) = op.table.first_chunk::<256>() else { return };
    let exp = |difference: u8| u32::from(table[usize::from(difference)]);
    let mut rest = input;
    for out in output.chunks_exact_mut(channels) {
        let Some((x, behind)) = rest.split_at_checked(channels) else { return };
        rest = behind;
        let (words, tail) = x.as_chunks::<4>();
        let (out_words, out_tail) = out.as_chunks_mut::<4>();
        let largest = words.iter().fold(LOWEST, |largest, x| word::max8(largest, joined(*x)));
        let largest = largest.to_le_bytes().map(|byte| byte as i8);
        let max = largest.iter().chain(tail).copied().max().unwrap_or(0);
        let all = u32::from(max as u8) * 0x0101_0101;
        let differences = |x: [i8; 4]| word::differences8(all, joined(x)).to_le_bytes();
        let sum = words.iter().fold(0u32, |sum, x| differences(*x).map(exp).into_iter().fold(sum, u32::wrapping_add));
        let difference = |x: i8| max.wrapping_sub(x) as u8;
        let sum = tail.iter().fold(sum, |sum, x| sum.wrapping_add(exp(difference(*x)))).max(1);
        let share = |difference| word::unsigned8((exp(difference) << 8).wrapping_add(sum / 2) / sum);
        for (out, x) in out_words.iter_mut().zip(words) {
            // Flipping the sign bit takes 128 off.
            let shares = word::bytes(differences(*x).map(share)) ^ 0x8080_8080;
            *out = shares.to_le_bytes().map(|byte| byte as i8);
        }
        for (out, x) in out_tail.iter_mut().zip(tail) {
            *out = (share(difference(*x)) ^ 0x80) as i8;
        }
    }
}

/// Four times -128.
const LOWEST: u32 = 0x8080_8080;

fn joined(x: [i8; 4]) -> u32 {
    u32::from_le_bytes(x.map(|x| x as u8))
}
