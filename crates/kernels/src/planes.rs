//! Where kernels for 64-bit Arm put the input of a convolution with block weights, and the scratch that this takes: a
//! pure function, so that a host can plan it.
//!
//! A block multiplies one quad of terms with some neighbouring pixels, so the pixels' quads have to be neighbours. The
//! input is rearranged once: of every row, for every phase of the horizontal stride, a *plane* per quad of channels,
//! which holds four bytes for every position. Where windows are one position wide, planes are of phases of the vertical
//! stride and hold all rows, so that neighbours go on from row to row. What tap and quad a block has is then one offset,
//! the same for all pixels.

use niwaki_blob::{BlockConv2d, BlockFullyConnected};

/// Where the elements of planes come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// Rows of the input, with padding; pixels are whole quads.
    Rows,
    /// The same, but what the taps of a row read together is whole quads: it counts as one pixel.
    Taps,
    /// Pixels of the input, as they follow each other: a convolution of single pixels.
    Pixels,
}

/// Bytes of planes at a time, where one row of outputs does not need more: what a core's nearest cache holds.
const PLANES: usize = 32 * 1024;

/// Pixels of a tile are a multiple of this.
pub(crate) const STEP: usize = 4;

/// Bytes that a vector has, to which parts of the scratch are aligned.
const VECTOR: usize = 16;

/// How planes lie in the scratch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) source: Source,
    /// Whether planes hold all rows, one behind the other, so that the pixels of all rows of outputs are neighbours.
    pub(crate) joined: bool,
    /// Quads of a pixel: planes of a phase.
    pub(crate) quads: usize,
    /// Phases of the horizontal stride; of the vertical one, where rows are joined.
    pub(crate) phases: usize,
    /// Positions of a plane.
    pub(crate) positions: usize,
    /// Rows of the input at a time.
    pub(crate) rows: usize,
    /// Rows of outputs at a time; pixels, where the source is [`Source::Pixels`].
    pub(crate) at_once: usize,
    /// Offsets of blocks, one for every block that is stored, or for every quad of a group.
    pub(crate) offsets: usize,
    /// Offsets of quads, to look up those of blocks.
    pub(crate) table: usize,
    /// Bytes of a padded row of the input, where it is copied first.
    pub(crate) line: usize,
}

impl Planes {
    /// `None` where sizes pass what can be counted.
    pub(crate) fn of(op: &BlockConv2d<'_>) -> Option<Self> {
        let (window, channels) = (&op.window, op.input.channels);
        let ([height, width], [down, right]) = (window.kernel, window.stride);
        let pixels = op.output.height.checked_mul(op.output.width)?;
        let terms = height.checked_mul(width)?.checked_mul(channels)?;
        let single = (window.kernel, window.stride, window.padding) == ([1; 2], [1; 2], [0; 2]);
        // Then outputs are pixels of the input, one after the other.
        let joined = single && op.input.width == op.output.width && op.output.height <= op.input.height;
        let all = terms.div_ceil(4);
        let listed = op.blocks.index.len().saturating_sub(op.blocks.groups());
        let offsets = if op.blocks.is_dense() { all.checked_next_multiple_of(2)? } else { listed };
        let piece = width.checked_mul(channels)?;
        let source = match (channels.is_multiple_of(4), piece.is_multiple_of(4) && window.dilation[1] == 1) {
            (true, _) if joined => Source::Pixels,
            (true, _) => Source::Rows,
            (false, true) => Source::Taps,
            (false, false) => return None,
        };
        if pixels == 0 || terms == 0 || down == 0 || right == 0 {
            return None;
        }
        if source == Source::Pixels {
            let fitting = (PLANES / all.checked_mul(4)?.max(1)).max(2 * STEP);
            let at_once = fitting.min(pixels).checked_next_multiple_of(STEP)?;
            let (joined, phases, positions, rows, table, line) = (true, 1, at_once, 1, 0, 0);
            return Some(Self { source, joined, quads: all, phases, positions, rows, at_once, offsets, table, line });
        }
        let (reach, quads, line) = match source {
            Source::Taps => {
                let columns = (op.output.width - 1).checked_mul(right)?.checked_add(width)?;
                (0, piece / 4, columns.checked_mul(channels)?)
            }
            _ => (width.checked_sub(1)?.checked_mul(window.dilation[1])?, channels / 4, 0),
        };
        let extent = height.checked_sub(1)?.checked_mul(window.dilation[0])?.checked_add(1)?;
        // Where windows are one position wide, a row has as many as outputs.
        let joined = reach == 0;
        let rounded = op.output.width.checked_next_multiple_of(STEP)?.checked_add(reach / right)?;
        let (phases, width) =
            if joined { (down.min(extent), op.output.width) } else { (right.min(reach.checked_add(1)?), rounded) };
        let row = if joined { 1 } else { phases }.checked_mul(quads)?.checked_mul(width)?.checked_mul(4)?;
        let fitting = PLANES.checked_div(row)?.saturating_sub(extent) / down + 1;
        // Rows that bands share are rearranged for each: bands are some times as high as what they share.
        let at_once = fitting.max(4).min(op.output.height);
        let rows = (at_once - 1).checked_mul(down)?.checked_add(extent)?;
        let table = if op.blocks.is_dense() { 0 } else { all };
        let positions = match joined {
            true => rows.div_ceil(down).checked_mul(width)?.checked_add(STEP - 1)?,
            false => width,
        };
        Some(Self { source, joined, quads, phases, positions, rows, at_once, offsets, table, line })
    }

    /// Bytes of a plane.
    pub(crate) fn plane_bytes(&self) -> usize {
        self.positions * 4
    }

    /// Bytes of a row's planes; of a phase's, where rows are joined.
    pub(crate) fn row_bytes(&self) -> usize {
        let phases = if self.joined { 1 } else { self.phases };
        phases * self.quads * self.plane_bytes()
    }

    /// Bytes of each part of the scratch: offsets, planes, a line. `None` where they are too many to count.
    pub(crate) fn parts(&self) -> Option<[usize; 3]> {
        let offsets = self.offsets.checked_add(self.table)?.checked_mul(4)?;
        let row = self.phases.checked_mul(self.quads)?.checked_mul(self.positions)?.checked_mul(4)?;
        let planes = if self.joined { 1 } else { self.rows }.checked_mul(row)?;
        let whole = |bytes: usize| bytes.checked_next_multiple_of(VECTOR);
        Some([whole(offsets)?, whole(planes)?, whole(self.line)?])
    }

    /// Bytes of scratch, wherever it starts.
    pub(crate) fn bytes(&self) -> Option<usize> {
        let [offsets, planes, line] = self.parts()?;
        offsets.checked_add(planes)?.checked_add(line)?.checked_add(VECTOR - 1)
    }

    /// Puts down where every quad's elements lie for the first output of a row of outputs, from where the planes start for
    /// it. `None` where that passes 32 bits.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn offsets(&self, op: &BlockConv2d<'_>, to: &mut [u32]) -> Option<()> {
        let bytes = self.rows.checked_mul(self.row_bytes())?.checked_add(self.phases.checked_mul(self.row_bytes())?)?;
        u32::try_from(bytes).ok()?;
        let plane = self.plane_bytes();
        let [down, right] = op.window.stride.map(|stride| stride.max(1));
        let width = if self.source == Source::Taps { 1 } else { op.window.kernel[1].max(1) };
        // Every tap's quads follow each other.
        let (mut row, mut tap) = (0, 0);
        for quads in to.chunks_mut(self.quads.max(1)) {
            let (y, x) = (row * op.window.dilation[0], tap * op.window.dilation[1]);
            let mut at = match self.joined {
                true => y % down * self.row_bytes() + y / down * op.output.width * 4,
                false => y * self.row_bytes() + x % right * self.quads * plane + x / right * 4,
            };
            for to in quads {
                *to = at as u32;
                at += plane;
            }
            tap += 1;
            if tap == width {
                (row, tap) = (row + 1, 0);
            }
        }
        Some(())
    }
}

/// Bytes of each part of the scratch of a fully connected layer: its inputs, each quad of them four times, the sums of its
/// outputs. All are filled up to whole vectors. `None` where they are too many to count.
pub(crate) fn connected_parts(op: &BlockFullyConnected<'_>) -> Option<[usize; 3]> {
    let inputs = op.inputs.checked_next_multiple_of(VECTOR)?;
    let outputs = op.outputs.checked_next_multiple_of(4)?;
    Some([inputs, inputs.checked_mul(4)?, outputs.checked_mul(4)?])
}

/// Bytes of scratch of a fully connected layer, wherever it starts.
pub(crate) fn connected_bytes(op: &BlockFullyConnected<'_>) -> Option<usize> {
    connected_parts(op)?.into_iter().try_fold(VECTOR - 1, usize::checked_add)
}
