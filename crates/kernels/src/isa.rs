//! Instruction sets that kernels are written for, and the scratch that their kernels need.

use crate::planes::{Planes, connected_bytes};
use niwaki_blob::{Conv2d, Op, PackedConv2d, PackedFullyConnected, Shape, WINOGRAD_QUADS};

/// An instruction set with kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, on every target: the specification.
    Scalar,
    /// The DSP instructions of Armv7E-M and of Armv8-M with the DSP extension: Cortex-M4, M7 and M33.
    Dsp,
    /// Helium: Cortex-M55 and M85.
    Helium,
    /// Armv7-M without the DSP extension: Cortex-M3.
    V7m,
    /// Armv6-M: Cortex-M0 and M0+.
    V6m,
    /// 64-bit Arm with NEON, which all have.
    Neon,
    /// 64-bit Arm with NEON's dot products (FEAT_DotProd): Cortex-A55, A76 and later.
    NeonDot,
    /// 32-bit Arm with NEON, under Linux: Cortex-A7 and later, most of Armv7.
    Neon32,
    /// 64-bit x86 with AVX2: the computers that networks are prepared on.
    Avx2,
}

impl Isa {
    /// What a build for this target runs without asking the CPU. A constant, so that the others are not linked.
    pub const CURRENT: Self = if cfg!(niwaki_dsp) {
        Self::Dsp
    } else if cfg!(niwaki_helium) {
        Self::Helium
    } else if cfg!(niwaki_v7m) {
        Self::V7m
    } else if cfg!(niwaki_v6m) {
        Self::V6m
    } else if cfg!(target_arch = "aarch64") {
        Self::Neon
    } else {
        Self::Scalar
    };

    /// Those that are in this build: tests hold each that [is available](Self::is_available) against [`Isa::Scalar`].
    pub const AVAILABLE: &[Self] = match Self::CURRENT {
        Self::Dsp => &[Self::Scalar, Self::Dsp],
        Self::Helium => &[Self::Scalar, Self::Helium],
        Self::V7m => &[Self::Scalar, Self::V7m],
        Self::V6m => &[Self::Scalar, Self::V6m],
        Self::Neon | Self::NeonDot => &[Self::Scalar, Self::Neon, Self::NeonDot],
        Self::Scalar | Self::Avx2 | Self::Neon32 if cfg!(target_arch = "x86_64") => &[Self::Scalar, Self::Avx2],
        Self::Scalar | Self::Avx2 | Self::Neon32 if cfg!(niwaki_neon32) => &[Self::Scalar, Self::Neon32],
        Self::Scalar | Self::Avx2 | Self::Neon32 => &[Self::Scalar],
    };

    /// The best that this CPU runs. Microcontrollers get [`Isa::CURRENT`], and only its kernels are linked. Elsewhere
    /// the CPU is asked, if the feature `std` allows it; every choice needs the same scratch.
    #[inline(always)]
    pub fn current() -> Self {
        #[cfg(target_arch = "aarch64")]
        if Self::NeonDot.is_available() {
            return Self::NeonDot;
        }
        #[cfg(target_arch = "x86_64")]
        if Self::Avx2.is_available() {
            return Self::Avx2;
        }
        #[cfg(niwaki_neon32)]
        if Self::Neon32.is_available() {
            return Self::Neon32;
        }
        Self::CURRENT
    }

    /// Whether this build has its kernels and this CPU runs them. What is not available runs as what is.
    #[inline]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Dsp => cfg!(niwaki_dsp),
            Self::Helium => cfg!(niwaki_helium),
            Self::V7m => cfg!(niwaki_v7m),
            Self::V6m => cfg!(niwaki_v6m),
            Self::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => crate::neon::has_dot(),
            #[cfg(not(target_arch = "aarch64"))]
            Self::NeonDot => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => crate::avx2::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 => false,
            #[cfg(niwaki_neon32)]
            Self::Neon32 => crate::neon32::is_available(),
            #[cfg(not(niwaki_neon32))]
            Self::Neon32 => false,
        }
    }
}

/// Bytes of scratch that the kernel of an instruction set needs for an operation: a pure function, so that the planner
/// on the host and the check on the device agree.
pub fn scratch_bytes(isa: Isa, op: &Op<'_>) -> usize {
    match isa {
        // What plain kinds need on those with wide registers lies on the stack, of which their targets have plenty.
        Isa::Scalar | Isa::Avx2 | Isa::Neon32 => 0,
        Isa::Neon | Isa::NeonDot => neon_scratch(op),
        Isa::Dsp => dsp_scratch(op),
        Isa::Helium => helium_scratch(op),
        Isa::V7m | Isa::V6m => lanes_scratch(op),
    }
}

/// The same with and without dot products: one program runs on both.
fn neon_scratch(op: &Op<'_>) -> usize {
    match op {
        // Without planes the scalar kernel runs.
        Op::BlockConv2d(op) => Planes::of(op).and_then(|planes| planes.bytes()).unwrap_or(0),
        Op::BlockFullyConnected(op) => connected_bytes(op).unwrap_or(0),
        _ => 0,
    }
}

/// One window's elements, where they are not read where they lie.
fn helium_scratch(op: &Op<'_>) -> usize {
    match op {
        Op::Conv2d(op) if op.groups != 1 || single_pixels(op) => 0,
        Op::Conv2d(op) => window_bytes(op),
        Op::DepthwiseConv2d(op) => depthwise_band(op),
        // Elements on a word, filled up to whole quads.
        Op::BlockConv2d(op) => op.quads().saturating_mul(4).saturating_add(ALIGNMENT),
        Op::BlockFullyConnected(op) => op.quads().saturating_mul(4).saturating_add(ALIGNMENT),
        _ => 0,
    }
}

/// Six windows as words, sums and pieces of windows; or padded rows.
fn lanes_scratch(op: &Op<'_>) -> usize {
    match op {
        Op::Conv2d(op) if op.groups == 1 => lane_layout(op).bytes(),
        Op::SparseConv2d(op) if op.packed.rows == 1 => lane_stream_layout(op).bytes(),
        Op::InterleavedFullyConnected(op) => interleaved_bytes(op, false),
        Op::SparseInterleavedFullyConnected(op) => interleaved_bytes(op, true),
        Op::WinogradFullyConnected(op) => winograd_words(op.quads()).saturating_mul(4).saturating_add(ALIGNMENT),
        Op::DepthwiseConv2d(op) if op.window.kernel == [3, 3] && op.window.dilation == [1, 1] => depthwise_band(op),
        _ => 0,
    }
}

fn interleaved_bytes(op: &PackedFullyConnected<'_>, sparse: bool) -> usize {
    interleaved_words(op.quads(), sparse).saturating_mul(4).saturating_add(ALIGNMENT)
}

/// Quads of interleaved weights that are added up at a time, at most.
pub(crate) const INTERLEAVED_QUADS: usize = 127;

/// Words for the inputs of interleaved weights, and for what they say together: for every quad, or for every chunk of them.
pub(crate) fn interleaved_words(quads: usize, sparse: bool) -> usize {
    let more = if sparse { quads } else { quads.div_ceil(INTERLEAVED_QUADS) };
    quads.saturating_mul(4).saturating_add(more)
}

/// Words for the inputs of Winograd weights, and two for what those of a chunk say together.
pub(crate) fn winograd_words(quads: usize) -> usize {
    quads.saturating_mul(4).saturating_add(quads.div_ceil(WINOGRAD_QUADS).saturating_mul(2))
}

/// How kernels of three pixels in two words divide their scratch.
#[cfg_attr(not(any(niwaki_v7m, niwaki_v6m)), allow(dead_code, reason = "elsewhere only its size is asked"))]
pub(crate) struct LaneLayout {
    /// Terms that are taken at a time, at most.
    pub(crate) chunk: usize,
    /// Words for the windows.
    pub(crate) packed: usize,
    /// Sums.
    pub(crate) sums: usize,
    /// Bytes of both, aligning them included.
    pub(crate) word_bytes: usize,
    /// Bytes for pieces of windows.
    pub(crate) lines: usize,
    /// Bytes for outputs, where there are less than six pixels.
    pub(crate) outputs: usize,
}

impl LaneLayout {
    fn bytes(&self) -> usize {
        self.word_bytes.saturating_add(self.lines).saturating_add(self.outputs)
    }

    fn new(chunk: usize, packed: usize, sums: usize, line: usize, output: Shape) -> Self {
        let few = output.height.saturating_mul(output.width) < 6;
        let words = packed.saturating_mul(4).saturating_add(sums);
        Self {
            chunk,
            packed: packed.saturating_mul(4),
            sums,
            word_bytes: words.saturating_mul(4).saturating_add(ALIGNMENT),
            lines: line.saturating_mul(3),
            outputs: if few { output.channels.saturating_mul(6) } else { 0 },
        }
    }
}

/// For dense filters: chunks of about equal size, at most 64 terms each.
pub(crate) fn lane_layout(op: &Conv2d<'_>) -> LaneLayout {
    let line = op.window.kernel[1].saturating_mul(op.input.channels);
    let terms = op.window.kernel[0].saturating_mul(line);
    let chunks = terms.div_ceil(64).max(1);
    let chunk = terms.div_ceil(chunks);
    let sums = if chunks > 1 { op.output.channels.saturating_mul(6) } else { 6 };
    LaneLayout::new(chunk, chunk, sums, line.min(chunk), op.output)
}

/// For streams: they go through whole windows.
pub(crate) fn lane_stream_layout(op: &PackedConv2d<'_>) -> LaneLayout {
    let line = op.window.kernel[1].saturating_mul(op.input.channels);
    let terms = op.quads().saturating_mul(4);
    LaneLayout::new(terms, terms, 6, line, op.output)
}

/// Whether windows are single pixels of the input.
pub(crate) fn single_pixels(op: &Conv2d<'_>) -> bool {
    op.window.kernel == [1, 1] && op.window.padding == [0, 0]
}

fn window_bytes(op: &Conv2d<'_>) -> usize {
    op.window.kernel[0].saturating_mul(op.window.kernel[1]).saturating_mul(op.input.channels)
}

/// Columns of the input, with padding, that a row of outputs reads.
pub(crate) fn depthwise_columns(op: &Conv2d<'_>) -> usize {
    let last = op.output.width.saturating_sub(1).saturating_mul(op.window.stride[1]);
    last.saturating_add(op.window.kernel[1].saturating_sub(1).saturating_mul(op.window.dilation[1])).saturating_add(1)
}

/// Padded rows of the input that a row of outputs reads; none where there is no padding.
pub(crate) fn depthwise_band(op: &Conv2d<'_>) -> usize {
    let columns = depthwise_columns(op);
    let last = op.output.height.saturating_sub(1).saturating_mul(op.window.stride[0]);
    let taps = op.window.kernel[0].saturating_sub(1).saturating_mul(op.window.dilation[0]);
    let rows = last.saturating_add(taps).saturating_add(1);
    if op.window.padding == [0, 0] && rows <= op.input.height && columns <= op.input.width {
        return 0;
    }
    op.window.kernel[0].saturating_mul(columns).saturating_mul(op.input.channels)
}

/// What aligning the scratch to words can cost.
const ALIGNMENT: usize = 3;

fn dsp_scratch(op: &Op<'_>) -> usize {
    match op {
        Op::PackedConv2d(conv) => dsp_patches(conv, 2).saturating_add(ALIGNMENT),
        Op::SparseConv2d(conv) => dsp_patches(conv, 4).saturating_add(ALIGNMENT),
        Op::PackedDepthwiseConv2d(conv) => {
            dsp_columns(conv).saturating_mul(4 * dsp_column_words(conv)).saturating_add(ALIGNMENT)
        }
        Op::DepthwiseConv2d(conv) => dsp_taps(conv),
        // Whole words of the input, where it does not end with one.
        Op::PackedFullyConnected(layer) | Op::SparseFullyConnected(layer) if !layer.inputs.is_multiple_of(4) => {
            layer.inputs.next_multiple_of(4) + ALIGNMENT
        }
        _ => 0,
    }
}

/// The weights of four channels, widened to 16 bits.
fn dsp_taps(conv: &Conv2d<'_>) -> usize {
    conv.window.kernel[0].saturating_mul(conv.window.kernel[1]).saturating_mul(8).saturating_add(ALIGNMENT)
}

/// Some pixels' terms, widened to 16 bits; and one pixel's terms as bytes, where they are not whole words.
fn dsp_patches(conv: &PackedConv2d<'_>, pixels: usize) -> usize {
    let quads = conv.quads();
    let bytes = if conv.input.channels.is_multiple_of(4) { 0 } else { quads.saturating_mul(4).saturating_add(4) };
    quads.saturating_mul(8 * pixels).saturating_add(bytes)
}

/// Columns of the input, with padding, that one row of outputs reads.
pub(crate) fn dsp_columns(conv: &PackedConv2d<'_>) -> usize {
    (conv.output.width.saturating_sub(1)).saturating_mul(conv.window.stride[1]).saturating_add(conv.window.kernel[1])
}

/// Words of a column of four channels that a pair of rows of outputs reads: two rows of the input in each.
pub(crate) fn dsp_column_words(conv: &PackedConv2d<'_>) -> usize {
    // Four rows of the input, or five where the outputs are two rows apart.
    if conv.window.stride[0] == 2 { 12 } else { 8 }
}
