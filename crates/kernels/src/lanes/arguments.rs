//! What the assembly of convolutions reads.

use niwaki_blob::Requantise;

/// Filters and six pixels. Assembly reads it at these offsets, and counts in it.
#[repr(C)]
pub(crate) struct Arguments {
    /// 0: four for each term
    pub words: *const i32,
    /// 4: of the first filter, from the chunk on; or the first stream
    pub weights: *const i8,
    /// 8: of the chunk; not 0
    pub terms: usize,
    /// 12: from a filter to the next
    pub pitch: usize,
    /// 16: filters; not 0
    pub channels: usize,
    /// 20: one for each filter; for streams each has its multiplier behind it
    pub bias: *const i32,
    /// 24: one for each filter
    pub multipliers: *const i32,
    /// 28: six for each filter
    pub sums: *mut i32,
    /// 32: bytes from the sums of a filter to the next one's; 0 where they need not outlive it
    pub sums_step: usize,
    /// 36: what biases are short of, as every chunk's sums start with -1
    pub start: i32,
    /// 40: [`FIRST`] and [`LAST`]
    pub stage: u32,
    /// 44: of the first filter and pixel
    pub output: *mut i8,
    /// 48: from a pixel's output to the next one's
    pub step: usize,
    /// 52
    pub zero_point: i32,
    /// 56
    pub min: i32,
    /// 60
    pub max: i32,
    /// 64
    pub shift: u32,
    /// 68: whether there is more to limit than int8
    pub limited: u32,
    /// 72: whether [`super::Bound::is_small`] holds
    pub small: u32,
    /// 76: the zero point less the smallest output
    pub base: i32,
    /// 80: 2^15; and where `small`, 2^16 times `base` more
    pub half: i32,
    /// 84: from the smallest output to the largest
    pub range: i32,
    /// 88: the smallest output again: four words in a row
    pub floor: i32,
    /// 92: what sums start with, see [`super`]
    pub empty: [i32; 2],
    /// 100: for the assembly's own use
    pub spare: [u32; 3],
}

/// Sums start with the bias.
pub(crate) const FIRST: u32 = 1;
/// Sums become outputs.
pub(crate) const LAST: u32 = 2;

impl Arguments {
    /// With an output rule, and nothing to work on.
    pub(crate) fn new(rule: &Requantise<'_>, small: bool) -> Self {
        let (min, max) = (i32::from(rule.activation.min), i32::from(rule.activation.max));
        let zero_point = i32::from(rule.zero_point);
        Self {
            words: core::ptr::null(),
            weights: core::ptr::null(),
            terms: 0,
            pitch: 0,
            channels: 0,
            bias: core::ptr::null(),
            multipliers: core::ptr::null(),
            sums: core::ptr::null_mut(),
            sums_step: 0,
            start: 0,
            stage: FIRST | LAST,
            output: core::ptr::null_mut(),
            step: 0,
            zero_point,
            min,
            max,
            shift: rule.shift,
            limited: u32::from((min, max) != (i32::from(i8::MIN), i32::from(i8::MAX))),
            small: u32::from(small),
            base: zero_point - min,
            half: (1 << 15) + if small { (zero_point - min) << 16 } else { 0 },
            range: max - min,
            floor: min,
            empty: [-1 - (1 << 21), -1 - (1 << 10)],
            spare: [0; 3],
        }
    }
}
