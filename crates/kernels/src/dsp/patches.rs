//! Input patches of two or four pixels, widened to 16 bits: for every quad of terms the pairs (0, 2) of all pixels, then
//! the pairs (1, 3).

use crate::scalar::axis::Axis;
use core::arch::global_asm;
use niwaki_blob::PackedConv2d;

unsafe extern "C" {
    /// Widens `rows` runs of `quads * 4` bytes, from `from_pitch` to `to_pitch` bytes apart.
    ///
    /// # Safety
    /// The runs can be read, at any address; `to`, on a word boundary, is where a pixel's terms start in quads of 16
    /// bytes, those of two pixels, of which there are as many.
    fn niwaki_dsp_widen_2(from: *const i8, to: *mut u32, quads: usize, rows: usize, from_pitch: usize, to_pitch: usize);

    /// The same in quads of four pixels.
    ///
    /// # Safety
    /// As [`niwaki_dsp_widen_2`], in quads of 32 bytes.
    fn niwaki_dsp_widen_4(from: *const i8, to: *mut u32, quads: usize, rows: usize, from_pitch: usize, to_pitch: usize);

    /// Copies `rows` runs of words from `from_pitch` to `to_pitch` bytes apart, in order, so that a run covers what the
    /// one before has too much.
    ///
    /// # Safety
    /// `rows` and `words` are not 0; the runs can be read and written, at any address.
    fn niwaki_dsp_gather(from: *const i8, to: *mut i8, words: usize, rows: usize, from_pitch: usize, to_pitch: usize);
}

global_asm!(
    cpu!(),
    r#"
    @ Bytes from a pair of terms to the pixel's next one.
    .macro nw_widen name, half
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
    .thumb_func
    .balign 4
\name:
    push {{r4-r11, lr}}
    ldr r10, [sp, #36]
    ldr r11, [sp, #40]
1:
    mov r8, r0
    mov r9, r1
    subs r12, r2, #4
    blo 3f
    .balign 4
2:
    ldr.w r4, [r8]
    ldr.w r5, [r8, #4]
    ldr.w r6, [r8, #8]
    ldr.w r7, [r8, #12]
    add r8, #16
    sxtb16 lr, r4
    str.w lr, [r9]
    sxtb16 lr, r4, ror #8
    str.w lr, [r9, #\half]
    sxtb16 lr, r5
    str.w lr, [r9, #2 * \half]
    sxtb16 lr, r5, ror #8
    str.w lr, [r9, #3 * \half]
    sxtb16 lr, r6
    str.w lr, [r9, #4 * \half]
    sxtb16 lr, r6, ror #8
    str.w lr, [r9, #5 * \half]
    sxtb16 lr, r7
    str.w lr, [r9, #6 * \half]
    sxtb16 lr, r7, ror #8
    str.w lr, [r9, #7 * \half]
    add r9, #8 * \half
    subs.w r12, r12, #4
    bhs 2b
3:
    adds.w r12, r12, #4
    beq 5f
4:
    ldr.w r4, [r8], #4
    sxtb16 r5, r4
    sxtb16 r6, r4, ror #8
    str.w r5, [r9]
    str.w r6, [r9, #\half]
    add r9, #2 * \half
    subs.w r12, r12, #1
    bne 4b
5:
    add r0, r10
    add r1, r11
    subs r3, #1
    bne 1b
    pop {{r4-r11, pc}}
    .size \name, . - \name
    .endm

    nw_widen niwaki_dsp_widen_2, 8
    nw_widen niwaki_dsp_widen_4, 16
    .purgem nw_widen

    .section .text.niwaki_dsp_gather, "ax", %progbits
    .global niwaki_dsp_gather
    .type niwaki_dsp_gather, %function
    .thumb_func
    .balign 4
niwaki_dsp_gather:
    push {{r4-r8, lr}}
    ldr r7, [sp, #24]
    ldr r8, [sp, #28]
    cmp r2, #3
    bne 1f
    @ Three words, as three pixels of three channels take.
3:
    ldr r4, [r0]
    ldr r5, [r0, #4]
    ldr r6, [r0, #8]
    add r0, r7
    str r4, [r1]
    str r5, [r1, #4]
    str r6, [r1, #8]
    add r1, r8
    subs r3, #1
    bne 3b
    pop {{r4-r8, pc}}
1:
    mov r4, r0
    mov r5, r1
    mov r12, r2
2:
    ldr r6, [r4], #4
    subs.w r12, r12, #1
    str r6, [r5], #4
    bne 2b
    add r0, r7
    add r1, r8
    subs r3, #1
    bne 1b
    pop {{r4-r8, pc}}
    .size niwaki_dsp_gather, . - niwaki_dsp_gather
    .text
"#
);

/// Widens runs into a patch of `LANES` pixels.
///
/// # Safety
/// As [`niwaki_dsp_widen_2`], in quads of `8 * LANES` bytes.
#[inline(always)]
unsafe fn widen<const LANES: usize>(
    from: *const i8,
    to: *mut u32,
    quads: usize,
    rows: usize,
    from_pitch: usize,
    to_pitch: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match LANES {
            2 => niwaki_dsp_widen_2(from, to, quads, rows, from_pitch, to_pitch),
            _ => niwaki_dsp_widen_4(from, to, quads, rows, from_pitch, to_pitch),
        }
    }
}

/// Bytes of a patch of so many pixels.
pub(super) fn patch_bytes(quads: usize, lanes: usize) -> usize {
    quads * 8 * lanes
}

/// Brings the terms of pixels into a patch of `LANES`, two or four.
pub(super) struct Patches<'a, const LANES: usize> {
    op: &'a PackedConv2d<'a>,
    input: &'a [i8],
    /// Where the patch lies.
    patch: *mut u32,
    /// One pixel's terms as bytes, where they are not whole words.
    bytes: *mut i8,
    /// Whether pixels follow each other in input and output alike.
    pointwise: bool,
}

impl<'a, const LANES: usize> Patches<'a, LANES> {
    /// # Safety
    /// `scratch` starts on a word and has what [`crate::scratch_bytes`] says, without what aligning it costs.
    pub(super) unsafe fn new(op: &'a PackedConv2d<'a>, input: &'a [i8], scratch: *mut u32) -> Self {
        let window = &op.window;
        let pointwise = window.kernel == [1, 1] && window.padding == [0, 0] && window.stride == [1, 1];
        let pointwise = pointwise && op.input.width == op.output.width;
        // SAFETY: inside the scratch, which goes on behind the patch where `bytes` is used.
        let bytes = unsafe { scratch.cast::<i8>().add(patch_bytes(op.quads(), LANES)) };
        Self { op, input, patch: scratch, bytes, pointwise }
    }

    /// The terms of the output pixels from `start` on, in the lanes from `first` on.
    #[inline(always)]
    pub(super) fn fill(&self, start: usize, first: usize) {
        let (channels, quads) = (self.op.input.channels, self.op.quads());
        // A pointwise convolution finds its terms in the input. The last quad may reach into the next pixel, if there
        // is one: its weights are zero.
        let from = start * channels;
        if self.pointwise && first == 0 && from + (LANES - 1) * channels + quads * 4 <= self.input.len() {
            // SAFETY: all runs lie inside the input; lanes are one word apart.
            unsafe { widen::<LANES>(self.input.as_ptr().add(from), self.patch, quads, LANES, channels, 4) };
            return;
        }
        let width = self.op.output.width.max(1);
        let (mut y, mut x) = (start / width, start % width);
        if first == 0 && x + LANES <= width && self.neighbours([y, x]) {
            return;
        }
        for lane in first..LANES {
            // SAFETY: `lane` is one of the patch's.
            self.pixel([y, x], unsafe { self.patch.add(lane) });
            x += 1;
            if x == width {
                (y, x) = (y + 1, 0);
            }
        }
    }

    /// The terms of pixels of one row, if their windows lie inside the input; otherwise `false`, and nothing was
    /// done.
    #[inline(always)]
    fn neighbours(&self, [y, x]: [usize; 2]) -> bool {
        let (op, input) = (self.op, self.op.input);
        let (window, channels) = (&op.window, op.input.channels);
        let first = (y * window.stride[0])
            .checked_sub(window.padding[0])
            .zip((x * window.stride[1]).checked_sub(window.padding[1]));
        let Some((row, column)) = first else { return false };
        let last = column + (LANES - 1) * window.stride[1];
        let [height, width] = window.kernel;
        if window.dilation != [1, 1] || row + height > input.height || last + width > input.width {
            return false;
        }
        let (pitch, run, step) = (input.width * channels, width * channels, window.stride[1] * channels);
        let at = row * pitch + column * channels;
        let whole = run.next_multiple_of(4);
        // What the last row of the last pixel's window reads.
        if at + (height - 1) * pitch + (LANES - 1) * step + whole > self.input.len() || height == 0 || run == 0 {
            return false;
        }
        let from = self.input.as_ptr().wrapping_add(at);
        for lane in 0..LANES {
            let from = from.wrapping_add(lane * step);
            // SAFETY: all runs lie inside the input, as was just found; with the bytes that are too many they lie
            // inside the scratch, which has four more. Lanes are one word apart.
            unsafe {
                let to = self.patch.add(lane);
                if whole == run {
                    widen::<LANES>(from, to, run / 4, height, pitch, run * 2 * LANES);
                } else {
                    niwaki_dsp_gather(from, self.bytes, whole / 4, height, pitch, run);
                    widen::<LANES>(self.bytes, to, op.quads(), 1, 0, 0);
                }
            }
        }
        true
    }

    /// The terms of output pixel `(y, x)`.
    fn pixel(&self, [y, x]: [usize; 2], to: *mut u32) {
        let op = self.op;
        let channels = op.input.channels;
        let pitch = op.input.width * channels;
        let [height, width] = op.window.kernel;
        let rows = Span::new(op, 0, op.input.height, y);
        let columns = Span::new(op, 1, op.input.width, x);
        if op.window.dilation != [1, 1] {
            return self.dilated([y, x], to);
        }
        let from = rows.position * pitch + columns.position * channels;
        // What of the window lies inside: rows.len runs of as many bytes.
        let run = columns.len * channels;
        let complete = rows.len == height && columns.len == width;
        let end = if rows.len == 0 || run == 0 { 0 } else { from + (rows.len - 1) * pitch + run };
        let from = self.input.get(from..).unwrap_or_default().as_ptr();
        if (width * channels).is_multiple_of(4) && run.is_multiple_of(4) && (columns.tap * channels).is_multiple_of(4) {
            let place = (rows.tap * width + columns.tap) * channels / 4;
            // SAFETY: runs lie inside the input, places inside the pixel's quads.
            unsafe {
                if !complete {
                    self.fill_words(to, op.quads());
                }
                if end > 0 && end <= self.input.len() {
                    let to = to.add(2 * LANES * place);
                    widen::<LANES>(from, to, run / 4, rows.len, pitch, width * channels * 2 * LANES);
                }
            }
            return;
        }
        // Brought together as bytes first.
        let whole = run.next_multiple_of(4);
        if complete && end + whole - run <= self.input.len() {
            // SAFETY: runs lie inside the input even with the bytes that are too many, and inside the scratch, which
            // has four bytes more.
            unsafe { niwaki_dsp_gather(from, self.bytes, whole / 4, height, pitch, run) };
        } else {
            self.fill_bytes();
            for row in 0..rows.len {
                let at = rows.position * pitch + row * pitch + columns.position * channels;
                let place = ((rows.tap + row) * width + columns.tap) * channels;
                for (at, byte) in self.input.get(at..at + run).unwrap_or_default().iter().enumerate() {
                    // SAFETY: inside the pixel's terms.
                    unsafe { self.bytes.add(place + at).write(*byte) };
                }
            }
        }
        // SAFETY: the bytes were just written, or are some of the scratch whose weights are zero.
        unsafe { widen::<LANES>(self.bytes, to, op.quads(), 1, 0, 0) };
    }

    /// Some quads of a pixel become the padding's.
    ///
    /// # Safety
    /// `to` is where a pixel's terms start, of which there are as many.
    unsafe fn fill_words(&self, mut to: *mut u32, quads: usize) {
        let zero = u32::from(self.op.input_zero_point as u16) * 0x0001_0001;
        for _ in 0..quads {
            // SAFETY: the caller's.
            unsafe {
                to.write(zero);
                to.add(LANES).write(zero);
                to = to.wrapping_add(2 * LANES);
            }
        }
    }

    fn fill_bytes(&self) {
        let zero = u32::from(self.op.input_zero_point as u8) * 0x0101_0101;
        for quad in 0..self.op.quads() {
            // SAFETY: the scratch has four bytes for every quad.
            unsafe { self.bytes.cast::<u32>().add(quad).write(zero) };
        }
    }

    /// Taps that are no neighbours, one by one.
    #[cold]
    fn dilated(&self, [y, x]: [usize; 2], to: *mut u32) {
        let (op, channels) = (self.op, self.op.input.channels);
        let (height, width) = (op.window.kernel[0], op.window.kernel[1].max(1));
        let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
        let whole = channels.is_multiple_of(4);
        for tap in 0..height * width {
            let place = rows.position(y, tap / width).zip(columns.position(x, tap % width));
            let at = place.map(|(row, column)| (row * op.input.width + column) * channels);
            let run = at.and_then(|at| self.input.get(at..at + channels));
            // SAFETY: a tap's terms lie inside the pixel's quads, or bytes; runs are as long.
            unsafe {
                match run {
                    Some(run) if whole => {
                        widen::<LANES>(run.as_ptr(), to.add(tap * channels / 2 * LANES), channels / 4, 1, 0, 0);
                    }
                    None if whole => self.fill_words(to.add(tap * channels / 2 * LANES), channels / 4),
                    _ => {
                        for channel in 0..channels {
                            let element = run.and_then(|run| run.get(channel)).copied();
                            let element = element.unwrap_or(op.input_zero_point);
                            self.bytes.add(tap * channels + channel).write(element);
                        }
                    }
                }
            }
        }
        if !whole {
            // SAFETY: the bytes were just written; what follows them in the scratch meets weights of zero.
            unsafe { widen::<LANES>(self.bytes, to, op.quads(), 1, 0, 0) };
        }
    }
}

/// What of an undilated window lies inside the input, along one axis.
struct Span {
    /// First tap inside.
    tap: usize,
    /// Taps inside.
    len: usize,
    /// What the first of them reads.
    position: usize,
}

impl Span {
    #[inline(always)]
    fn new(op: &PackedConv2d<'_>, axis: usize, size: usize, output: usize) -> Self {
        let (start, padding) = (output * op.window.stride[axis], op.window.padding[axis]);
        let tap = padding.saturating_sub(start).min(op.window.kernel[axis]);
        let position = start.saturating_sub(padding);
        let len = size.saturating_sub(position).min(op.window.kernel[axis] - tap);
        Self { tap, len, position }
    }
}
