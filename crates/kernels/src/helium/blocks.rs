//! One vector of inputs times rows of block weights: four blocks at a time, whose quads are gathered.

use core::arch::global_asm;
use niwaki_blob::{BLOCK_OUTPUTS, BlockWeights};

/// What the assembly reads, at these offsets.
#[repr(C)]
struct Arguments {
    /// 0
    input: *const i8,
    /// 4
    weights: *const i8,
    /// 8
    quads: *const u16,
    /// 12
    units: *const u16,
    /// 16
    bias: *const i32,
    /// 20
    multipliers: *const i32,
    /// 24
    output: *mut i8,
    /// 28
    channels: usize,
    /// 32
    zero_point: i32,
    /// 36
    min: i32,
    /// 40
    max: i32,
}

// Four outputs at a time: the units of their groups one after the other, each four quads of inputs and as many weights of
// every row. Biases and multipliers are filled up to whole vectors.
global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".macro niwaki_unit_row acc",
    "vldrb.u8 q2, [r1], #16",
    "vmladava.s8 \\acc, q1, q2",
    ".endm",
    // A group of rows whose sums are in these registers.
    ".macro niwaki_group a, b, c, d, rows",
    "ldrh r8, [r5], #2",
    "wls lr, r8, 3f",
    "2:",
    "vldrh.u32 q0, [r3], #8",
    "vldrw.u32 q1, [r12, q0, uxtw #2]",
    "niwaki_unit_row \\a",
    ".if \\rows > 1",
    "niwaki_unit_row \\b",
    ".endif",
    ".if \\rows > 2",
    "niwaki_unit_row \\c",
    "niwaki_unit_row \\d",
    ".endif",
    "le lr, 2b",
    "3:",
    ".endm",
    ".macro niwaki_blocks name, rows",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "push {{r3-r11, lr}}",
    "vpush {{d8-d9}}",
    "mov r9, r0",
    "ldrd r12, r1, [r9]",
    "ldrd r3, r5, [r9, #8]",
    "ldrd r10, r11, [r9, #16]",
    "ldr r7, [r9, #24]",
    "ldr r0, [r9, #36]",
    "vdup.32 q3, r0",
    "ldr r0, [r9, #40]",
    "vdup.32 q4, r0",
    ".balign 4",
    "1:",
    "mov r0, #0",
    "mov r2, #0",
    "mov r4, #0",
    "mov r6, #0",
    ".if \\rows == 4",
    "niwaki_group r0, r2, r4, r6, 4",
    ".elseif \\rows == 2",
    "niwaki_group r0, r2, r4, r6, 2",
    "niwaki_group r4, r6, r0, r2, 2",
    ".else",
    "niwaki_group r0, r2, r4, r6, 1",
    "niwaki_group r2, r4, r6, r0, 1",
    "niwaki_group r4, r6, r0, r2, 1",
    "niwaki_group r6, r0, r2, r4, 1",
    ".endif",
    "vmov q0[2], q0[0], r0, r4",
    "vmov q0[3], q0[1], r2, r6",
    "vldrw.u32 q1, [r10], #16",
    "vadd.i32 q0, q0, q1",
    "vldrw.u32 q1, [r11], #16",
    "vrmulh.s32 q0, q0, q1",
    "ldrd r8, r0, [r9, #28]",
    "vadd.i32 q0, q0, r0",
    "vmax.s32 q0, q0, q3",
    "vmin.s32 q0, q0, q4",
    "vctp.32 r8",
    "vpst",
    "vstrbt.32 q0, [r7], #4",
    "subs r8, #4",
    "str r8, [r9, #28]",
    "bgt 1b",
    "vpop {{d8-d9}}",
    "pop {{r3-r11, pc}}",
    ".endm",
    "niwaki_blocks niwaki_helium_blocks_1, 1",
    "niwaki_blocks niwaki_helium_blocks_2, 2",
    "niwaki_blocks niwaki_helium_blocks_4, 4",
    ".purgem niwaki_blocks",
    ".purgem niwaki_group",
    ".purgem niwaki_unit_row",
);

// The largest of some numbers.
global_asm!(
    ".cpu cortex-m55",
    ".thumb",
    ".global niwaki_helium_most",
    ".type niwaki_helium_most, %function",
    ".thumb_func",
    "niwaki_helium_most:",
    "push {{r7, lr}}",
    "mov r2, #0",
    "wlstp.16 lr, r1, 2f",
    "1:",
    "vldrh.u16 q0, [r0], #16",
    "vmaxv.u16 r2, q0",
    "letp lr, 1b",
    "2:",
    "mov r0, r2",
    "pop {{r7, pc}}",
);

unsafe extern "C" {
    fn niwaki_helium_most(numbers: *const u16, len: usize) -> u32;
    fn niwaki_helium_blocks_1(arguments: *mut Arguments);
    fn niwaki_helium_blocks_2(arguments: *mut Arguments);
    fn niwaki_helium_blocks_4(arguments: *mut Arguments);
}

/// Block weights whose index was checked.
pub(super) struct Blocks<'a> {
    blocks: &'a BlockWeights<'a>,
    units: &'a [u16],
    quads: &'a [u16],
    /// Bytes of inputs that the quads reach.
    terms: usize,
    outputs: usize,
    kernel: unsafe extern "C" fn(*mut Arguments),
}

impl<'a> Blocks<'a> {
    /// `None` for blocks without an index, in units of another size, or that do not fit each other or the outputs: the
    /// scalar kernel has those. `quads` are those of an output.
    pub(super) fn new(blocks: &'a BlockWeights<'a>, outputs: usize, quads: usize) -> Option<Self> {
        let (units, positions) = blocks.index.split_at_checked(blocks.groups())?;
        let kernel = match blocks.rows {
            1 => niwaki_helium_blocks_1,
            2 => niwaki_helium_blocks_2,
            4 => niwaki_helium_blocks_4,
            _ => return None,
        };
        let filled = outputs.checked_next_multiple_of(BLOCK_OUTPUTS)?;
        let counted = units.iter().fold(0usize, |sum, units| sum.wrapping_add(usize::from(*units)));
        // SAFETY: the predicated loop reads the slice's numbers and no more.
        let most = unsafe { niwaki_helium_most(positions.as_ptr(), positions.len()) };
        let fits = blocks.unit == 4
            && outputs > 0
            && blocks.bias.len() == filled
            && blocks.multipliers.len() == filled
            && counted.checked_mul(4) == Some(positions.len())
            && counted.checked_mul(blocks.unit_bytes()) == Some(blocks.weights.len())
            && (most as usize) < quads;
        let terms = quads.checked_mul(4)?;
        fits.then_some(Self { blocks, units, quads: positions, terms, outputs, kernel })
    }

    /// The outputs for one vector of inputs, which starts on a word and is filled up to whole quads. Does nothing where
    /// it does not or there are less, or less outputs.
    #[inline(always)]
    pub(super) fn times(&self, input: &[i8], output: &mut [i8]) {
        if input.len() < self.terms || output.len() < self.outputs || !(input.as_ptr() as usize).is_multiple_of(4) {
            return;
        }
        let blocks = self.blocks;
        let mut arguments = Arguments {
            input: input.as_ptr(),
            weights: blocks.weights.as_ptr(),
            quads: self.quads.as_ptr(),
            units: self.units.as_ptr(),
            bias: blocks.bias.as_ptr(),
            multipliers: blocks.multipliers.as_ptr(),
            output: output.as_mut_ptr(),
            channels: self.outputs,
            zero_point: i32::from(blocks.zero_point),
            min: i32::from(blocks.activation.min),
            max: i32::from(blocks.activation.max),
        };
        // SAFETY: `new` saw that groups, for all outputs filled up to whole fours, have as many units as they say, that
        // there are weights for those, and biases and multipliers; and that quads lie in the inputs, which the check
        // above saw, with their alignment. Outputs are stored under a predicate, as many as there are.
        unsafe { (self.kernel)(&raw mut arguments) }
    }
}
