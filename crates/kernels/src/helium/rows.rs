//! One vector of inputs times the rows of a weight matrix: what convolutions and fully connected layers come down to.

use core::arch::global_asm;
use niwaki_blob::Requantise;

/// What the assembly reads, at these offsets.
#[repr(C)]
struct Arguments {
    /// 0
    input: *const i8,
    /// 4
    weights: *const i8,
    /// 8
    terms: usize,
    /// 12
    channels: usize,
    /// 16
    bias: *const i32,
    /// 20
    multipliers: *const i32,
    /// 24
    output: *mut i8,
    /// 28
    shift: u32,
    /// 32
    zero_point: i32,
    /// 36
    min: i32,
    /// 40
    max: i32,
}

// Any number of terms and rows: four rows at a time, each with its own pointer. Missing rows repeat the last one; what
// they give is not stored.
global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_rows",
    ".type niwaki_helium_rows, %function",
    ".thumb_func",
    "niwaki_helium_rows:",
    "push {{r3-r11, lr}}",
    "mov r9, r0",
    "ldr r11, [r9, #4]",
    "ldr r10, [r9, #12]",
    "ldr r0, [r9, #36]",
    "vdup.32 q2, r0",
    "ldr r0, [r9, #40]",
    "vdup.32 q3, r0",
    ".balign 4",
    "1:",
    "ldr r8, [r9]",
    "ldr r12, [r9, #8]",
    "mov r1, r11",
    "mov r3, r11",
    "cmp r10, #2",
    "it ge",
    "addge r3, r1, r12",
    "mov r5, r3",
    "it gt",
    "addgt r5, r3, r12",
    "mov r7, r5",
    "cmp r10, #4",
    "it ge",
    "addge r7, r5, r12",
    "mov r0, #0",
    "mov r2, #0",
    "mov r4, #0",
    "mov r6, #0",
    "wlstp.8 lr, r12, 3f",
    "2:",
    "vldrb.u8 q0, [r8], #16",
    "vldrb.u8 q1, [r1], #16",
    "vmladava.s8 r0, q0, q1",
    "vldrb.u8 q1, [r3], #16",
    "vmladava.s8 r2, q0, q1",
    "vldrb.u8 q1, [r5], #16",
    "vmladava.s8 r4, q0, q1",
    "vldrb.u8 q1, [r7], #16",
    "vmladava.s8 r6, q0, q1",
    "letp lr, 2b",
    "3:",
    "add r11, r11, r12, lsl #2",
    "vmov q0[2], q0[0], r0, r4",
    "vmov q0[3], q0[1], r2, r6",
    "ldrd r1, r3, [r9, #16]",
    "ldrd r5, r7, [r9, #24]",
    "ldr r0, [r9, #32]",
    "vctp.32 r10",
    "vpst",
    "vldrwt.u32 q1, [r1], #16",
    "vadd.i32 q0, q0, q1",
    "vpst",
    "vldrwt.u32 q1, [r3], #16",
    "vshl.s32 q0, r7",
    "vrmulh.s32 q0, q0, q1",
    "vadd.i32 q0, q0, r0",
    "vmax.s32 q0, q0, q2",
    "vmin.s32 q0, q0, q3",
    "vpst",
    "vstrbt.32 q0, [r5], #4",
    "strd r1, r3, [r9, #16]",
    "str r5, [r9, #24]",
    "subs r10, #4",
    "bgt 1b",
    "pop {{r3-r11, pc}}",
);

// Whole vectors of terms and whole groups of four rows: where the fourth row ends the next group begins, and everything
// but the weights stays in registers.
global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_whole",
    ".type niwaki_helium_whole, %function",
    ".thumb_func",
    "niwaki_helium_whole:",
    "push {{r3-r11, lr}}",
    "vpush {{d8-d11}}",
    "ldrd r8, r11, [r0]",
    "ldrd r12, r1, [r0, #8]",
    "ldrd r9, r10, [r0, #16]",
    "ldrd r7, r2, [r0, #24]",
    "vdup.32 q5, r2",
    "ldrd r2, r3, [r0, #32]",
    "vdup.32 q4, r2",
    "vdup.32 q2, r3",
    "ldr r2, [r0, #40]",
    "vdup.32 q3, r2",
    "add r1, r7",
    "push {{r1, r8}}",
    ".balign 4",
    "1:",
    "ldr r8, [sp, #4]",
    "mov r1, r11",
    "add r3, r1, r12",
    "add r5, r3, r12",
    "add r11, r5, r12",
    "mov r0, #0",
    "mov r2, #0",
    "mov r4, #0",
    "mov r6, #0",
    "dlstp.8 lr, r12",
    "2:",
    "vldrb.u8 q0, [r8], #16",
    "vldrb.u8 q1, [r1], #16",
    "vmladava.s8 r0, q0, q1",
    "vldrb.u8 q1, [r3], #16",
    "vmladava.s8 r2, q0, q1",
    "vldrb.u8 q1, [r5], #16",
    "vmladava.s8 r4, q0, q1",
    "vldrb.u8 q1, [r11], #16",
    "vmladava.s8 r6, q0, q1",
    "letp lr, 2b",
    "vmov q0[2], q0[0], r0, r4",
    "vmov q0[3], q0[1], r2, r6",
    "vldrw.u32 q1, [r9], #16",
    "vadd.i32 q0, q0, q1",
    "vldrw.u32 q1, [r10], #16",
    "vshl.s32 q0, q0, q5",
    "vrmulh.s32 q0, q0, q1",
    "vadd.i32 q0, q0, q4",
    "vmax.s32 q0, q0, q2",
    "vmin.s32 q0, q0, q3",
    "vstrb.32 q0, [r7], #4",
    "ldr r0, [sp]",
    "cmp r7, r0",
    "bne 1b",
    "add sp, #8",
    "vpop {{d8-d11}}",
    "pop {{r3-r11, pc}}",
);

// Up to 64 terms and whole groups of four rows: the inputs stay in q0 to q3, the weights are one stream. A variant for
// each number of whole vectors, with and without a rest.
global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".macro niwaki_dot acc, whole, rest",
    ".if \\whole > 0",
    "vldrb.u8 q4, [r1], #16",
    "vmladav.s8 \\acc, q0, q4",
    ".endif",
    ".if \\whole > 1",
    "vldrb.u8 q4, [r1], #16",
    "vmladava.s8 \\acc, q1, q4",
    ".endif",
    ".if \\whole > 2",
    "vldrb.u8 q4, [r1], #16",
    "vmladava.s8 \\acc, q2, q4",
    ".endif",
    ".if \\whole > 3",
    "vldrb.u8 q4, [r1], #16",
    "vmladava.s8 \\acc, q3, q4",
    ".endif",
    ".if \\rest",
    "vpst",
    "vldrbt.u8 q4, [r1]",
    "add r1, r8",
    ".if \\whole == 0",
    "vmladav.s8 \\acc, q0, q4",
    ".elseif \\whole == 1",
    "vmladava.s8 \\acc, q1, q4",
    ".elseif \\whole == 2",
    "vmladava.s8 \\acc, q2, q4",
    ".else",
    "vmladava.s8 \\acc, q3, q4",
    ".endif",
    ".endif",
    ".endm",
    ".macro niwaki_few name, whole, rest",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "push {{r3-r11, lr}}",
    "vpush {{d8-d15}}",
    "ldr r6, [r0]",
    "ldr r1, [r0, #4]",
    "ldr r8, [r0, #8]",
    "ldr r10, [r0, #12]",
    "ldrd r3, r5, [r0, #16]",
    "ldrd r7, r12, [r0, #24]",
    "ldrd r11, r2, [r0, #32]",
    "vdup.32 q5, r2",
    "ldr r2, [r0, #40]",
    "vdup.32 q6, r2",
    "and r8, r8, #15",
    ".if \\whole > 0",
    "vldrb.u8 q0, [r6], #16",
    ".endif",
    ".if \\whole > 1",
    "vldrb.u8 q1, [r6], #16",
    ".endif",
    ".if \\whole > 2",
    "vldrb.u8 q2, [r6], #16",
    ".endif",
    ".if \\whole > 3",
    "vldrb.u8 q3, [r6], #16",
    ".endif",
    ".if \\rest",
    // Nothing below changes the predicate.
    "vctp.8 r8",
    "vpst",
    ".if \\whole == 0",
    "vldrbt.u8 q0, [r6]",
    ".elseif \\whole == 1",
    "vldrbt.u8 q1, [r6]",
    ".elseif \\whole == 2",
    "vldrbt.u8 q2, [r6]",
    ".else",
    "vldrbt.u8 q3, [r6]",
    ".endif",
    ".endif",
    "lsr lr, r10, #2",
    "dls lr, lr",
    ".balign 4",
    "1:",
    "niwaki_dot r0, \\whole, \\rest",
    "niwaki_dot r2, \\whole, \\rest",
    "niwaki_dot r4, \\whole, \\rest",
    "niwaki_dot r6, \\whole, \\rest",
    "vmov q4[2], q4[0], r0, r4",
    "vmov q4[3], q4[1], r2, r6",
    "vldrw.u32 q7, [r3], #16",
    "vadd.i32 q4, q4, q7",
    "vldrw.u32 q7, [r5], #16",
    "vshl.s32 q4, r12",
    "vrmulh.s32 q4, q4, q7",
    "vadd.i32 q4, q4, r11",
    "vmax.s32 q4, q4, q5",
    "vmin.s32 q4, q4, q6",
    "vstrb.32 q4, [r7], #4",
    "le lr, 1b",
    "vpop {{d8-d15}}",
    "pop {{r3-r11, pc}}",
    ".endm",
    "niwaki_few niwaki_helium_few_0_1, 0, 1",
    "niwaki_few niwaki_helium_few_1_0, 1, 0",
    "niwaki_few niwaki_helium_few_1_1, 1, 1",
    "niwaki_few niwaki_helium_few_2_0, 2, 0",
    "niwaki_few niwaki_helium_few_2_1, 2, 1",
    "niwaki_few niwaki_helium_few_3_0, 3, 0",
    "niwaki_few niwaki_helium_few_3_1, 3, 1",
    "niwaki_few niwaki_helium_few_4_0, 4, 0",
    ".purgem niwaki_few",
    ".purgem niwaki_dot",
);

unsafe extern "C" {
    fn niwaki_helium_rows(arguments: *mut Arguments);
    fn niwaki_helium_whole(arguments: *mut Arguments);
    fn niwaki_helium_few_0_1(arguments: *mut Arguments);
    fn niwaki_helium_few_1_0(arguments: *mut Arguments);
    fn niwaki_helium_few_1_1(arguments: *mut Arguments);
    fn niwaki_helium_few_2_0(arguments: *mut Arguments);
    fn niwaki_helium_few_2_1(arguments: *mut Arguments);
    fn niwaki_helium_few_3_0(arguments: *mut Arguments);
    fn niwaki_helium_few_3_1(arguments: *mut Arguments);
    fn niwaki_helium_few_4_0(arguments: *mut Arguments);
}

/// A weight matrix with its output rule.
pub(super) struct Rows<'a> {
    terms: usize,
    channels: usize,
    weights: &'a [i8],
    bias: &'a [i32],
    rule: &'a Requantise<'a>,
    kernel: unsafe extern "C" fn(*mut Arguments),
}

impl<'a> Rows<'a> {
    /// Rows of so many terms; as many as there are weights, biases and multipliers for.
    pub(super) fn new(terms: usize, weights: &'a [i8], bias: &'a [i32], rule: &'a Requantise<'a>) -> Self {
        let channels = bias.len().min(rule.multipliers.len());
        let channels = channels.min(weights.len().checked_div(terms).unwrap_or(channels));
        let kernel = match (terms / 16, !terms.is_multiple_of(16)) {
            _ if !channels.is_multiple_of(4) || channels == 0 => niwaki_helium_rows,
            (0, true) => niwaki_helium_few_0_1,
            (1, false) => niwaki_helium_few_1_0,
            (1, true) => niwaki_helium_few_1_1,
            (2, false) => niwaki_helium_few_2_0,
            (2, true) => niwaki_helium_few_2_1,
            (3, false) => niwaki_helium_few_3_0,
            (3, true) => niwaki_helium_few_3_1,
            (4, false) => niwaki_helium_few_4_0,
            (1.., false) => niwaki_helium_whole,
            _ => niwaki_helium_rows,
        };
        Self { terms, channels, weights, bias, rule, kernel }
    }

    /// One output per row. Does nothing with fewer inputs than terms, fewer outputs than rows, or no row.
    #[inline(always)]
    pub(super) fn times(&self, input: &[i8], output: &mut [i8]) {
        if input.len() < self.terms || output.len() < self.channels || self.channels == 0 {
            return;
        }
        let mut arguments = Arguments {
            input: input.as_ptr(),
            weights: self.weights.as_ptr(),
            terms: self.terms,
            channels: self.channels,
            bias: self.bias.as_ptr(),
            multipliers: self.rule.multipliers.as_ptr(),
            output: output.as_mut_ptr(),
            shift: self.rule.shift,
            zero_point: i32::from(self.rule.zero_point),
            min: i32::from(self.rule.activation.min),
            max: i32::from(self.rule.activation.max),
        };
        // SAFETY: `new` and the check above saw that there are `terms` inputs, `terms * channels` weights, and
        // `channels` biases, multipliers and outputs; the kernels touch no more of each: they read a row's end, and the
        // last rows' biases, under a predicate, and only whole vectors of whole groups without one (`new` picks by that).
        // The output overlaps nothing, because it is a mutable slice.
        unsafe { (self.kernel)(&raw mut arguments) }
    }
}
