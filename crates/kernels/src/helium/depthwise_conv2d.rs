//! Convolution of every channel with a filter of its own: sixteen channels at a time, along a row of outputs.

use super::copy::{copy, fill};
use crate::isa::{depthwise_band, depthwise_columns};
use crate::scalar::{self, axis::Axis};
use core::arch::global_asm;
use niwaki_blob::Conv2d;

/// Channels of a vector.
const LANES: usize = 16;

/// What the assembly reads, at these offsets.
#[repr(C)]
struct Arguments {
    /// 0: of the first tap of the first output
    input: *const i8,
    /// 4: from an output's taps to the next output's
    pixel_step: usize,
    /// 8: from a tap to the next
    tap_step: usize,
    /// 12: from the end of a row of taps to the next row's first
    row_step: usize,
    /// 16: of the first tap
    weights: *const i8,
    /// 20: channels of the layer: from a tap's weights to the next's, from an output to the next
    channels: usize,
    /// 24
    kernel_height: usize,
    /// 28
    kernel_width: usize,
    /// 32: sixteen
    bias: *const i32,
    /// 36: sixteen
    multipliers: *const i32,
    /// 40
    output: *mut i8,
    /// 44: outputs in the row
    pixels: usize,
    /// 48: at most 16
    lanes: usize,
    /// 52
    shift: u32,
    /// 56
    zero_point: i32,
    /// 60
    min: i32,
    /// 64
    max: i32,
}

// q0 to q3 hold the sums of channels 0, 4, 8, 12; 1, 5, 9, 13; and so on: what multiplying and widening the even and odd
// halves gives, and what VLD4 makes of sixteen biases.
global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_depthwise",
    ".type niwaki_helium_depthwise, %function",
    ".thumb_func",
    "niwaki_helium_depthwise:",
    "push {{r3-r11, lr}}",
    "vpush {{d8-d15}}",
    "ldrd r7, r3, [r0]",
    "ldrd r4, r5, [r0, #8]",
    "ldr r6, [r0, #20]",
    "ldrd r8, r9, [r0, #40]",
    "ldr r11, [r0, #48]",
    "vctp.8 r11",
    ".balign 4",
    "1:",
    "ldr r12, [r0, #32]",
    "vld40.32 {{q0, q1, q2, q3}}, [r12]",
    "vld41.32 {{q0, q1, q2, q3}}, [r12]",
    "vld42.32 {{q0, q1, q2, q3}}, [r12]",
    "vld43.32 {{q0, q1, q2, q3}}, [r12]",
    "mov r1, r7",
    "ldr r2, [r0, #16]",
    "ldrd r10, r12, [r0, #24]",
    "2:",
    "dls lr, r12",
    "3:",
    "vpstt",
    "vldrbt.u8 q4, [r1]",
    "vldrbt.u8 q5, [r2]",
    "add r1, r4",
    "add r2, r6",
    "vmullb.s8 q6, q4, q5",
    "vmullt.s8 q7, q4, q5",
    "vmovlb.s16 q4, q6",
    "vadd.i32 q0, q0, q4",
    "vmovlt.s16 q5, q6",
    "vadd.i32 q2, q2, q5",
    "vmovlb.s16 q4, q7",
    "vadd.i32 q1, q1, q4",
    "vmovlt.s16 q5, q7",
    "vadd.i32 q3, q3, q5",
    "le lr, 3b",
    "add r1, r5",
    "subs r10, #1",
    "bne 2b",
    "ldr r12, [r0, #36]",
    "vld40.32 {{q4, q5, q6, q7}}, [r12]",
    "vld41.32 {{q4, q5, q6, q7}}, [r12]",
    "vld42.32 {{q4, q5, q6, q7}}, [r12]",
    "vld43.32 {{q4, q5, q6, q7}}, [r12]",
    "ldrd r1, r2, [r0, #52]",
    "vshl.s32 q0, r1",
    "vshl.s32 q1, r1",
    "vshl.s32 q2, r1",
    "vshl.s32 q3, r1",
    "vrmulh.s32 q0, q0, q4",
    "vrmulh.s32 q1, q1, q5",
    "vrmulh.s32 q2, q2, q6",
    "vrmulh.s32 q3, q3, q7",
    "vadd.i32 q0, q0, r2",
    "vadd.i32 q1, q1, r2",
    "vadd.i32 q2, q2, r2",
    "vadd.i32 q3, q3, r2",
    // Saturation to int8, which holds every activation range; then that range.
    "vqmovnb.s32 q0, q0",
    "vqmovnt.s32 q0, q2",
    "vqmovnb.s32 q1, q1",
    "vqmovnt.s32 q1, q3",
    "vqmovnb.s16 q0, q0",
    "vqmovnt.s16 q0, q1",
    "ldrd r1, r2, [r0, #60]",
    "vdup.8 q1, r1",
    "vdup.8 q2, r2",
    "vmax.s8 q0, q0, q1",
    "vmin.s8 q0, q0, q2",
    "vpst",
    "vstrbt.8 q0, [r8]",
    "add r8, r6",
    "add r7, r3",
    "subs r9, #1",
    "bne 1b",
    "vpop {{d8-d15}}",
    "pop {{r3-r11, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_depthwise(arguments: *const Arguments);
}

/// See [`crate::scalar::depthwise_conv2d`].
pub(crate) fn depthwise_conv2d(op: &Conv2d<'_>, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
    let channels = op.output.channels.max(1);
    let [height, width] = op.window.kernel;
    let whole = op.weights.len() >= height * width * channels && input.len() >= op.input.elements();
    let band_columns = depthwise_columns(op);
    let Some(band) = scratch.get_mut(..depthwise_band(op)).filter(|_| whole && op.input.channels == channels) else {
        return scalar::depthwise_conv2d(op, input, output);
    };
    let [stride_y, stride_x] = op.window.stride;
    let [dilation_y, dilation_x] = op.window.dilation;
    let rows = Axis::rows(&op.window, op.input);
    let pitch = op.input.width * channels;
    let taken = width * dilation_x * channels;
    for (y, line) in output.chunks_exact_mut((op.output.width * channels).max(1)).enumerate() {
        let (elements, row) = if band.is_empty() {
            (input.get(y * stride_y * pitch..).unwrap_or_default(), dilation_y * pitch)
        } else {
            for (tap, to) in band.chunks_exact_mut((band_columns * channels).max(1)).enumerate() {
                let row = rows.position(y, tap).and_then(|row| input.get(row * pitch..(row + 1) * pitch));
                pad_row(op, row, to);
            }
            (&*band, band_columns * channels)
        };
        let (pixel_step, tap_step) = (stride_x * channels, dilation_x * channels);
        run(op, &Source { elements, pixel_step, tap_step, row_step: row.wrapping_sub(taken) }, line);
    }
}

/// A row of the input with its padding; all padding where there is no row.
fn pad_row(op: &Conv2d<'_>, row: Option<&[i8]>, to: &mut [i8]) {
    let left = op.window.padding[1] * op.input.channels;
    let Some((row, (before, rest))) = row.zip(to.split_at_mut_checked(left)) else {
        return fill(to, op.input_zero_point);
    };
    fill(before, op.input_zero_point);
    let (inside, after) = rest.split_at_mut(row.len().min(rest.len()));
    copy(inside, row);
    fill(after, op.input_zero_point);
}

/// Where windows lie.
struct Source<'a> {
    /// From the first tap of the first window on.
    elements: &'a [i8],
    pixel_step: usize,
    tap_step: usize,
    row_step: usize,
}

/// The outputs of a line, whose windows are wholly in `source`.
fn run(op: &Conv2d<'_>, source: &Source<'_>, line: &mut [i8]) {
    let channels = op.output.channels;
    let rule = &op.requantise;
    for first in (0..channels).step_by(LANES) {
        let lanes = (channels - first).min(LANES);
        // The last vector's numbers, where there are less than sixteen.
        let mut rest = [[0; LANES]; 2];
        let list = |list: &'_ [i32], rest: &mut [i32; LANES]| -> Option<*const i32> {
            let part = list.get(first..first + lanes)?;
            if lanes == LANES {
                return Some(part.as_ptr());
            }
            rest.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            Some(rest.as_ptr())
        };
        let [rest_bias, rest_multipliers] = &mut rest;
        let lists = list(op.bias, rest_bias).zip(list(rule.multipliers, rest_multipliers));
        let places = source.elements.get(first..).zip(op.weights.get(first..));
        let outputs = line.get_mut(first..);
        let (Some((bias, multipliers)), Some((input, weights)), Some(outputs)) = (lists, places, outputs) else {
            return;
        };
        let arguments = Arguments {
            input: input.as_ptr(),
            pixel_step: source.pixel_step,
            tap_step: source.tap_step,
            row_step: source.row_step,
            weights: weights.as_ptr(),
            channels,
            kernel_height: op.window.kernel[0],
            kernel_width: op.window.kernel[1],
            bias,
            multipliers,
            output: outputs.as_mut_ptr(),
            pixels: op.output.width,
            lanes,
            shift: rule.shift,
            zero_point: i32::from(rule.zero_point),
            min: i32::from(rule.activation.min),
            max: i32::from(rule.activation.max),
        };
        // SAFETY: both lists have sixteen numbers; every tap of every window lies in the input, where there is no
        // padding, or in the padded rows, and `lanes` bytes of it are read under a predicate, like those of the weights; the outputs are the line's
        // from `first` on. Kernel sizes are at least 1, as the format says, and there is at least one output.
        unsafe { niwaki_helium_depthwise(&raw const arguments) }
    }
}
