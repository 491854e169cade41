//! Filling planes: quads of neighbouring pixels become neighbours.

use crate::{
    planes::{Planes, STEP, Source},
    scalar::axis::Axis,
};
use core::arch::{aarch64::int8x16_t, asm};
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
    let (mut from, mut to, mut left) = (from, to, quads);
    // SAFETY: the caller vouches for the quads that are left, and their planes.
    unsafe {
        while left > 0 {
            let some = match left {
                _ if count < STEP => {
                    single_pixels(from, pitch, to, count);
                    1
                }
                1 => each_four::<1>(from, pitch, to, plane, count),
                2 | 3 => each_four::<2>(from, pitch, to, plane, count),
                _ => each_four::<4>(from, pitch, to, plane, count),
            };
            (from, to, left) = (from.add(4 * some), to.add(some * plane), left - some);
        }
    }
}

/// Copies one quad of pixels.
///
/// # Safety
/// As [`rearrange`].
unsafe fn single_pixels(from: *const i8, pitch: usize, to: *mut i8, count: usize) {
    for at in 0..count {
        // SAFETY: the caller vouches for pixel and position `at`.
        unsafe { to.add(at * 4).cast::<[i8; 4]>().write(from.add(at * pitch).cast::<[i8; 4]>().read()) };
    }
}

/// Rearranges `QUADS` quads of pixels, four pixels at a time, and returns that.
///
/// # Safety
/// As [`rearrange`], with at least four pixels.
unsafe fn each_four<const QUADS: usize>(
    from: *const i8,
    pitch: usize,
    to: *mut i8,
    plane: usize,
    count: usize,
) -> usize {
    // The last four end where the pixels do: some are copied twice.
    for (first, fours) in [(0, count / STEP), (count - STEP, usize::from(!count.is_multiple_of(STEP)))] {
        let mut from = from.wrapping_add(first * pitch);
        let mut to: [*mut i8; QUADS] = core::array::from_fn(|quad| to.wrapping_add(quad * plane + first * 4));
        for _ in 0..fours {
            // SAFETY: the caller vouches for four pixels, as often as that.
            let quads = unsafe { four::<QUADS>(&mut from, pitch) };
            for (to, quad) in to.iter_mut().zip(quads) {
                // SAFETY: so it is for positions of the planes. Addresses of vector instructions need no alignment.
                unsafe {
                    asm!("str {0:q}, [{1}], #16", in(vreg) quad, inout(reg) *to, options(nostack, preserves_flags));
                }
            }
        }
    }
    QUADS
}

/// The first quads of the next four pixels: of `QUADS` quads, 1, 2 or 4, each those of all pixels.
///
/// # Safety
/// `QUADS` quads of four pixels can be read.
#[inline(always)]
unsafe fn four<const QUADS: usize>(from: &mut *const i8, pitch: usize) -> [int8x16_t; QUADS] {
    let (a, b, c, d);
    // SAFETY: the caller vouches for what is read.
    let quads = unsafe {
        match QUADS {
            1 => {
                asm!(
                    "ld1 {{{a:v}.s}}[0], [{from}], {pitch}",
                    "ld1 {{{a:v}.s}}[1], [{from}], {pitch}",
                    "ld1 {{{a:v}.s}}[2], [{from}], {pitch}",
                    "ld1 {{{a:v}.s}}[3], [{from}], {pitch}",
                    a = out(vreg) a, from = inout(reg) *from, pitch = in(reg) pitch,
                    options(readonly, nostack, preserves_flags)
                );
                [a; 4]
            }
            2 => {
                asm!(
                    "ld1 {{{a:v}.8b}}, [{from}], {pitch}",
                    "ld1 {{{b:v}.8b}}, [{from}], {pitch}",
                    "ld1 {{{c:v}.8b}}, [{from}], {pitch}",
                    "ld1 {{{d:v}.8b}}, [{from}], {pitch}",
                    "zip1 {a:v}.4s, {a:v}.4s, {b:v}.4s",
                    "zip1 {c:v}.4s, {c:v}.4s, {d:v}.4s",
                    "zip2 {b:v}.2d, {a:v}.2d, {c:v}.2d",
                    "zip1 {a:v}.2d, {a:v}.2d, {c:v}.2d",
                    a = out(vreg) a, b = out(vreg) b, c = out(vreg) c, d = out(vreg) d,
                    from = inout(reg) *from, pitch = in(reg) pitch,
                    options(readonly, nostack, preserves_flags)
                );
                [a, b, c, d]
            }
            _ => {
                asm!(
                    "ld1 {{{a:v}.16b}}, [{from}], {pitch}",
                    "ld1 {{{x:v}.16b}}, [{from}], {pitch}",
                    "ld1 {{{c:v}.16b}}, [{from}], {pitch}",
                    "ld1 {{{d:v}.16b}}, [{from}], {pitch}",
                    "zip1 {b:v}.4s, {a:v}.4s, {x:v}.4s",
                    "zip2 {x:v}.4s, {a:v}.4s, {x:v}.4s",
                    "zip1 {y:v}.4s, {c:v}.4s, {d:v}.4s",
                    "zip2 {d:v}.4s, {c:v}.4s, {d:v}.4s",
                    "zip1 {a:v}.2d, {b:v}.2d, {y:v}.2d",
                    "zip2 {b:v}.2d, {b:v}.2d, {y:v}.2d",
                    "zip1 {c:v}.2d, {x:v}.2d, {d:v}.2d",
                    "zip2 {d:v}.2d, {x:v}.2d, {d:v}.2d",
                    a = out(vreg) a, b = out(vreg) b, c = out(vreg) c, d = out(vreg) d, x = out(vreg) _, y = out(vreg) _,
                    from = inout(reg) *from, pitch = in(reg) pitch,
                    options(readonly, nostack, preserves_flags)
                );
                [a, b, c, d]
            }
        }
    };
    core::array::from_fn(|quad| quads[quad])
}
