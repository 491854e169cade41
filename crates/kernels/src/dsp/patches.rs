//! Input patches of four pixels, widened to 16 bits: for every quad of terms the pairs (0, 2) of the four pixels, then
//! the pairs (1, 3).

use super::word::load;
use core::arch::global_asm;
use niwaki_blob::PackedConv2d;

unsafe extern "C" {
    /// Widens `quads * 4` bytes of one pixel.
    ///
    /// # Safety
    /// `from` has that many bytes, at any address; `to`, on a word boundary, is where the pixel's terms start in `quads`
    /// quads of 32 bytes.
    fn niwaki_dsp_widen(from: *const i8, to: *mut u32, quads: usize) -> *mut u32;
}

global_asm!(
    r#"
    .section .text.niwaki_dsp_widen, "ax", %progbits
    .global niwaki_dsp_widen
    .type niwaki_dsp_widen, %function
    .thumb_func
    .balign 4
niwaki_dsp_widen:
    push {{r4-r7, lr}}
    subs r2, #4
    blo 2f
    .balign 4
1:
    ldr r3, [r0]
    ldr r4, [r0, #4]
    ldr r5, [r0, #8]
    ldr r6, [r0, #12]
    adds r0, #16
    sxtb16 r7, r3
    str r7, [r1]
    sxtb16 r7, r3, ror #8
    str r7, [r1, #16]
    sxtb16 r7, r4
    str r7, [r1, #32]
    sxtb16 r7, r4, ror #8
    str r7, [r1, #48]
    sxtb16 r7, r5
    str r7, [r1, #64]
    sxtb16 r7, r5, ror #8
    str r7, [r1, #80]
    sxtb16 r7, r6
    str r7, [r1, #96]
    sxtb16 r7, r6, ror #8
    str r7, [r1, #112]
    adds r1, #128
    subs r2, #4
    bhs 1b
2:
    adds r2, #4
    beq 4f
3:
    ldr r3, [r0], #4
    sxtb16 r7, r3
    str r7, [r1]
    sxtb16 r7, r3, ror #8
    str r7, [r1, #16]
    adds r1, #32
    subs r2, #1
    bne 3b
4:
    mov r0, r1
    pop {{r4-r7, pc}}
    .size niwaki_dsp_widen, . - niwaki_dsp_widen
    .text
"#
);

/// Bytes of a patch of four pixels.
pub(super) fn patch_bytes(quads: usize) -> usize {
    quads * 32
}

/// Brings the terms of pixels into a patch.
pub(super) struct Patches<'a> {
    op: &'a PackedConv2d<'a>,
    input: &'a [i8],
    /// Where the patch lies.
    patch: *mut u32,
    /// One pixel's terms as bytes, where they are not whole words.
    bytes: *mut i8,
    /// Whether a pixel's terms lie in the input as they are needed.
    pointwise: bool,
}

impl<'a> Patches<'a> {
    /// # Safety
    /// `scratch` starts on a word and has what [`crate::scratch_bytes`] says, without what aligning it costs.
    pub(super) unsafe fn new(op: &'a PackedConv2d<'a>, input: &'a [i8], scratch: *mut u32) -> Self {
        let window = &op.window;
        let pointwise = window.kernel == [1, 1] && window.padding == [0, 0];
        // SAFETY: inside the scratch, which goes on behind the patch where `bytes` is used.
        let bytes = unsafe { scratch.cast::<i8>().add(patch_bytes(op.quads())) };
        Self { op, input, patch: scratch, bytes, pointwise }
    }

    /// The terms of output pixel `(y, x)` as pixel `lane` of the patch.
    #[inline(always)]
    pub(super) fn fill(&self, [y, x]: [usize; 2], lane: usize) {
        // SAFETY: `lane` is less than four.
        let to = unsafe { self.patch.add(lane & 3) };
        let (op, channels) = (self.op, self.op.input.channels);
        if self.pointwise {
            let at = (y * op.window.stride[0] * op.input.width + x * op.window.stride[1]) * channels;
            let pixel = self.input.get(at..).unwrap_or_default();
            // The last quad may reach into the next pixel: its weights are zero.
            if pixel.len() >= op.quads() * 4 {
                // SAFETY: the bytes are there, and so are the quads in the patch.
                unsafe { niwaki_dsp_widen(pixel.as_ptr(), to, op.quads()) };
                return;
            }
        }
        match channels.is_multiple_of(4) {
            true => self.words([y, x], to),
            false => self.gather([y, x], to),
        }
    }

    /// Row and column of the input that a tap reads; `None` in the padding.
    #[inline(always)]
    fn row(&self, y: usize, tap: usize) -> Option<usize> {
        let at =
            (y * self.op.window.stride[0] + tap * self.op.window.dilation[0]).checked_sub(self.op.window.padding[0])?;
        (at < self.op.input.height).then_some(at)
    }

    #[inline(always)]
    fn column(&self, x: usize, tap: usize) -> Option<usize> {
        let at =
            (x * self.op.window.stride[1] + tap * self.op.window.dilation[1]).checked_sub(self.op.window.padding[1])?;
        (at < self.op.input.width).then_some(at)
    }

    /// Whether the taps of a row are neighbours and all inside.
    #[inline(always)]
    fn inside(&self, x: usize) -> Option<usize> {
        let first = (x * self.op.window.stride[1]).checked_sub(self.op.window.padding[1])?;
        let fits = first + self.op.window.kernel[1] <= self.op.input.width && self.op.window.dilation[1] == 1;
        fits.then_some(first)
    }

    /// Taps that are whole words: straight from the input.
    fn words(&self, [y, x]: [usize; 2], mut to: *mut u32) {
        let channels = self.op.input.channels;
        let [height, width] = self.op.window.kernel;
        let zero = u32::from(self.op.input_zero_point as u16) * 0x0001_0001;
        let mut run = |elements: Option<&[i8]>, quads: usize| match elements {
            // SAFETY: the elements are there; the runs of a pixel fill its quads in the patch and no more.
            Some(elements) => to = unsafe { niwaki_dsp_widen(elements.as_ptr(), to, quads) },
            None => {
                for _ in 0..quads {
                    // SAFETY: as above.
                    unsafe {
                        to.write(zero);
                        to.add(4).write(zero);
                        to = to.add(8);
                    }
                }
            }
        };
        let pitch = self.op.input.width * channels;
        let inside = self.inside(x);
        for tap_y in 0..height {
            let row = self.row(y, tap_y);
            match (row, inside) {
                (Some(row), Some(column)) => {
                    let at = row * pitch + column * channels;
                    run(self.input.get(at..at + width * channels), width * channels / 4);
                }
                (None, _) => run(None, width * channels / 4),
                (Some(row), None) => {
                    for tap_x in 0..width {
                        let at = self.column(x, tap_x).map(|column| row * pitch + column * channels);
                        run(at.and_then(|at| self.input.get(at..at + channels)), channels / 4);
                    }
                }
            }
        }
    }

    /// Other taps: brought together as bytes first.
    fn gather(&self, [y, x]: [usize; 2], to: *mut u32) {
        let channels = self.op.input.channels;
        let [height, width] = self.op.window.kernel;
        let mut bytes = self.bytes;
        let zero = self.op.input_zero_point;
        let mut run = |elements: Option<&[i8]>, len: usize| {
            // SAFETY: the runs of a pixel have as many bytes as its quads together; the scratch has four more.
            unsafe {
                match elements {
                    Some(elements) => copy(elements, bytes, len),
                    None => {
                        for at in 0..len {
                            bytes.add(at).write(zero);
                        }
                    }
                }
                bytes = bytes.add(len);
            }
        };
        let pitch = self.op.input.width * channels;
        let inside = self.inside(x);
        for tap_y in 0..height {
            let row = self.row(y, tap_y);
            match (row, inside) {
                (Some(row), Some(column)) => {
                    run(self.input.get(row * pitch + column * channels..), width * channels);
                }
                (None, _) => run(None, width * channels),
                (Some(row), None) => {
                    for tap_x in 0..width {
                        let at = self.column(x, tap_x).map(|column| row * pitch + column * channels);
                        run(at.and_then(|at| self.input.get(at..)), channels);
                    }
                }
            }
        }
        // SAFETY: the bytes were just written, or are some of the scratch whose weights are zero.
        unsafe { niwaki_dsp_widen(self.bytes, to, self.op.quads()) };
    }
}

/// Copies `len` bytes, in words where the source allows it, up to three bytes too many.
///
/// # Safety
/// `to` has room for `len` bytes and three more.
#[inline(always)]
unsafe fn copy(from: &[i8], to: *mut i8, len: usize) {
    let whole = len.next_multiple_of(4);
    // SAFETY: the caller's; reading stays inside `from`.
    unsafe {
        if from.len() >= whole {
            let mut at = 0;
            while at < whole {
                to.add(at).cast::<u32>().write_unaligned(load(from.as_ptr().add(at)));
                at += 4;
            }
        } else {
            for (at, byte) in from.iter().take(len).enumerate() {
                to.add(at).write_volatile(*byte);
            }
        }
    }
}
