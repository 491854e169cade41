//! Copying rows: short ones mostly, for which calling a library is dear.

use super::STEP;

/// Bytes at a time, as long as there are so many.
const MANY: usize = 4 * STEP;

/// Copies as much as both have.
#[inline]
pub(super) fn copy(from: &[i8], to: &mut [i8]) {
    let len = from.len().min(to.len());
    let (mut from, mut to, mut left) = (from.as_ptr(), to.as_mut_ptr(), len);
    // SAFETY: `left` bytes can be read at `from` and written at `to`, which are moved on by what it shrinks; steps that
    // reach back do so where as many were copied before.
    unsafe {
        while left >= MANY {
            to.cast::<[i8; MANY]>().write(from.cast::<[i8; MANY]>().read());
            (from, to, left) = (from.add(MANY), to.add(MANY), left - MANY);
        }
        if left & (2 * STEP) != 0 {
            to.cast::<[i8; 2 * STEP]>().write(from.cast::<[i8; 2 * STEP]>().read());
            (from, to, left) = (from.add(2 * STEP), to.add(2 * STEP), left - 2 * STEP);
        }
        if left & STEP != 0 {
            to.cast::<[i8; STEP]>().write(from.cast::<[i8; STEP]>().read());
            (from, to, left) = (from.add(STEP), to.add(STEP), left - STEP);
        }
        if left == 0 {
            return;
        }
        if len >= STEP {
            let back = STEP - left;
            to.sub(back).cast::<[i8; STEP]>().write(from.sub(back).cast::<[i8; STEP]>().read());
            return;
        }
        if left & 8 != 0 {
            to.cast::<[i8; 8]>().write(from.cast::<[i8; 8]>().read());
            (from, to) = (from.add(8), to.add(8));
        }
        if left & 4 != 0 {
            to.cast::<[i8; 4]>().write(from.cast::<[i8; 4]>().read());
            (from, to) = (from.add(4), to.add(4));
        }
        for at in 0..left & 3 {
            to.add(at).write(from.add(at).read());
        }
    }
}
