//! Convolution of every channel with a filter of its own: sixteen channels at a time, along a row of outputs.

use super::conv2d::Gather;
use crate::scalar::Axis;
use core::arch::global_asm;
use core::ops::Range;
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
    let taps = op.window.kernel[0] * op.window.kernel[1];
    let (rows, columns) = (Axis::rows(&op.window, op.input), Axis::columns(&op.window, op.input));
    let gather = Gather { rows, columns, op };
    let whole = op.weights.len() >= taps * channels && input.len() >= op.input.elements() && taps > 0;
    let Some(patch) = scratch.get_mut(..taps * channels).filter(|_| whole && op.input.channels == channels) else {
        return crate::scalar::depthwise_conv2d(op, input, output);
    };
    let width = op.output.width;
    let [_, dilation] = op.window.dilation;
    let inside = columns.all_inside(width);
    for (y, line) in output.chunks_exact_mut((width * channels).max(1)).enumerate() {
        let inside = rows.all_inside(op.output.height).contains(&y).then(|| inside.clone()).unwrap_or(0..0);
        let around = (0..inside.start).chain(inside.end..width);
        for x in around {
            gather.window([y, x], input, patch);
            let source = Source { elements: patch, pixel_step: 0, tap_step: channels, row_step: 0 };
            run(op, &source, line, x..x + 1);
        }
        let first = rows.position(y, 0).zip(columns.position(inside.start, 0));
        if let Some((row, column)) = first.filter(|_| !inside.is_empty()) {
            let at = (row * op.input.width + column) * channels;
            let taken = op.window.kernel[1] * dilation * channels;
            let source = Source {
                elements: input.get(at..).unwrap_or_default(),
                pixel_step: op.window.stride[1] * channels,
                tap_step: dilation * channels,
                // May be negative, where a window is wider than the input: such windows are never inside.
                row_step: (op.window.dilation[0] * op.input.width * channels).wrapping_sub(taken),
            };
            run(op, &source, line, inside);
        }
    }
}

/// Where windows lie.
struct Source<'a> {
    /// From the first tap of the first window on.
    elements: &'a [i8],
    pixel_step: usize,
    tap_step: usize,
    row_step: usize,
}

/// Neighbouring outputs of a line, whose windows are wholly in `source`.
fn run(op: &Conv2d<'_>, source: &Source<'_>, line: &mut [i8], pixels: Range<usize>) {
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
        let outputs = line.get_mut(pixels.start * channels + first..(pixels.end - 1) * channels + first + lanes);
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
            pixels: pixels.len(),
            lanes,
            shift: rule.shift,
            zero_point: i32::from(rule.zero_point),
            min: i32::from(rule.activation.min),
            max: i32::from(rule.activation.max),
        };
        // SAFETY: both lists have sixteen numbers; every tap of every window lies in the input or the patch, as the
        // callers saw, and `lanes` bytes of it are read under a predicate, like those of the weights; the outputs were
        // just sliced out. Kernel sizes are at least 1, as the format says, and there is at least one output.
        unsafe { niwaki_helium_depthwise(&raw const arguments) }
    }
}
