//! Filling planes: quads of neighbouring pixels become neighbours.

use crate::{
    planes::{Planes, STEP, Source},
    scalar::axis::Axis,
};
use core::arch::aarch64::{
    int32x4_t, vld1q_s32, vreinterpretq_s32_s64, vreinterpretq_s64_s32, vst1q_s32, vtrn1q_s32, vtrn1q_s64, vtrn2q_s32,
    vtrn2q_s64,
};
use niwaki_blob::BlockConv2d;

/// Fills the planes with the rows of the input from `first` on, which counts from the first of the padding.
///
/// `copied` is as long as the plan's line.
pub(super) fn rows(
    op: &BlockConv2d<'_>,
    plan: &Planes,
    input: &[i8],
    first: usize,
    planes: &mut [i8],
    copied: &mut [i8],
) {
    let axis = Axis::rows(&op.window, op.input);
    let pixel = op.input.channels;
    let pitch = op.input.width * pixel;
    let (right, padding) = (op.window.stride[1].max(1), op.window.padding[1]);
    let word = [op.input_zero_point; 4];
    let down = op.window.stride[0].max(1);
    for at in 0..plan.rows {
        let from = axis.undilated(first + at).and_then(|row| input.get(row * pitch..(row + 1) * pitch));
        let start = match plan.joined {
            true if at % down >= plan.phases => continue,
            true => at % down * plan.row_bytes() + at / down * op.output.width * 4,
            false => at * plan.row_bytes(),
        };
        let Some(row) = planes.get_mut(start..) else { return };
        if plan.source == Source::Taps {
            let Some(line) = copied.get_mut(..plan.line) else { continue };
            let (left, rest) = line.split_at_mut_checked(padding * pixel).unwrap_or_default();
            left.fill(op.input_zero_point);
            let from = from.unwrap_or_default();
            let (inside, behind) = rest.split_at_mut_checked(from.len().min(rest.len())).unwrap_or_default();
            inside.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            behind.fill(op.input_zero_point);
            pixels(line, right * pixel, op.output.width, plan, row);
            continue;
        }
        if plan.joined {
            // Windows of one column have no padding beside them.
            match from {
                Some(from) => pixels(from, right * pixel, op.output.width, plan, row),
                None => row.chunks_mut(plan.plane_bytes().max(1)).take(plan.quads).for_each(|plane| {
                    plane.as_chunks_mut::<4>().0.iter_mut().take(op.output.width).for_each(|to| *to = word);
                }),
            }
            continue;
        }
        let Some(row) = row.get_mut(..plan.row_bytes()) else { return };
        for (phase, planes) in row.chunks_exact_mut((plan.quads * plan.plane_bytes()).max(1)).enumerate() {
            // Positions whose columns are inside the input.
            let start = padding.saturating_sub(phase).div_ceil(right).min(plan.positions);
            let end = (op.input.width + padding).saturating_sub(phase).div_ceil(right).min(plan.positions);
            let (Some(from), true) = (from, start < end) else {
                planes.as_chunks_mut::<4>().0.fill(word);
                continue;
            };
            for plane in planes.chunks_exact_mut(plan.plane_bytes().max(1)) {
                let words = plane.as_chunks_mut::<4>().0;
                words.iter_mut().take(start).for_each(|to| *to = word);
                words.iter_mut().skip(end).for_each(|to| *to = word);
            }
            let column = start * right + phase - padding;
            let Some(from) = from.get(column * pixel..) else { continue };
            // SAFETY: from `column` on, every `right` columns, there are `end - start` pixels in the row; planes have as
            // many positions from `start` on.
            unsafe { rearrange(from.as_ptr(), right * pixel, plan, planes.as_mut_ptr().add(start * 4), end - start) };
        }
    }
}

/// Fills the planes with pixels that lie `pitch` bytes apart, each at least a plan's quads. Does nothing where there are
/// less.
pub(super) fn pixels(from: &[i8], pitch: usize, count: usize, plan: &Planes, planes: &mut [i8]) {
    let needed = count.saturating_sub(1).saturating_mul(pitch).saturating_add(plan.quads * 4);
    let written = plan.quads.saturating_sub(1) * plan.plane_bytes() + 4 * count;
    if count == 0 || from.len() < needed || planes.len() < written {
        return;
    }
    // SAFETY: as was just checked.
    unsafe { rearrange(from.as_ptr(), pitch, plan, planes.as_mut_ptr(), count) }
}

/// # Safety
/// `count` pixels of the plan's quads, `pitch` bytes apart, can be read, and as many positions of all planes of a phase
/// be written.
unsafe fn rearrange(from: *const i8, pitch: usize, plan: &Planes, to: *mut i8, count: usize) {
    let (plane, quads) = (plan.plane_bytes(), plan.quads);
    let mut at = 0;
    while at < count {
        // The last four end where the pixels do: some are copied twice.
        if count >= STEP {
            at = at.min(count - STEP);
            // SAFETY: four pixels are there from `at` on.
            unsafe { four(from.add(at * pitch), pitch, to.add(at * 4), plane, quads) };
            at += STEP;
            continue;
        }
        for quad in 0..quads {
            // SAFETY: pixel and position `at` are there.
            unsafe {
                to.add(quad * plane + at * 4)
                    .cast::<[i8; 4]>()
                    .write(from.add(at * pitch + quad * 4).cast::<[i8; 4]>().read())
            };
        }
        at += 1;
    }
}

/// # Safety
/// As [`rearrange`], with four pixels.
#[inline]
unsafe fn four(from: *const i8, pitch: usize, to: *mut i8, plane: usize, quads: usize) {
    let whole = quads / 4 * 4;
    // SAFETY: the caller vouches for four pixels of `quads` quads, and as many planes with four positions. Addresses of
    // vector instructions need no alignment.
    unsafe {
        let mut to = to;
        let mut from = from;
        for _ in 0..whole / 4 {
            let pixels = [0, 1, 2, 3].map(|pixel| vld1q_s32(from.add(pixel * pitch).cast()));
            for quad in transposed(pixels) {
                vst1q_s32(to.cast(), quad);
                to = to.add(plane);
            }
            from = from.add(16);
        }
        for _ in whole..quads {
            let words = [0, 1, 2, 3].map(|pixel| from.add(pixel * pitch).cast::<[i8; 4]>().read());
            to.cast::<[[i8; 4]; 4]>().write(words);
            to = to.add(plane);
            from = from.add(4);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn transposed([a, b, c, d]: [int32x4_t; 4]) -> [int32x4_t; 4] {
    let pairs =
        [vtrn1q_s32(a, b), vtrn2q_s32(a, b), vtrn1q_s32(c, d), vtrn2q_s32(c, d)].map(|v| vreinterpretq_s64_s32(v));
    [
        vtrn1q_s64(pairs[0], pairs[2]),
        vtrn1q_s64(pairs[1], pairs[3]),
        vtrn2q_s64(pairs[0], pairs[2]),
        vtrn2q_s64(pairs[1], pairs[3]),
    ]
    .map(|v| vreinterpretq_s32_s64(v))
}
