//! Lowering of operations that move elements: reshape, permutations, concatenation, slices, padding.

use super::{Lowering, Problem, Result, Slot};
use burn_ir::{
    BaseOperationIr, CatOpIr, FloatOperationIr, OperationIr, PadModeIr, PadOpIr, ShapeOpIr, SliceOpIr, TensorIr,
};
use niwaki_graph::{Op, ValueId};

impl Lowering<'_> {
    pub(super) fn lower_movement(&mut self, op: &BaseOperationIr) -> Result<Slot> {
        use BaseOperationIr as Ir;
        match op {
            Ir::Reshape(d) => self.lower_reshape(d),
            Ir::SwapDims(d) => {
                let mut axes: Vec<usize> = (0..d.input.shape.len()).collect();
                axes.swap(d.dim1, d.dim2);
                self.transpose(&axes, &d.input, &d.out)
            }
            Ir::Permute(d) => self.transpose(&d.axes, &d.input, &d.out),
            Ir::Cat(d) => self.lower_concat(d),
            Ir::Expand(d) if d.input.shape == d.out.shape => Ok(self.slot(&d.input).clone()),
            Ir::Expand(d) => Err(Problem::Broadcast(d.input.shape.to_vec(), d.out.shape.to_vec())),
            Ir::Cast(d) if d.input.dtype == d.out.dtype => Ok(self.slot(&d.input).clone()),
            Ir::Slice(d) if takes_all(d) => Ok(self.slot(&d.tensor).clone()),
            Ir::Slice(d) => self.lower_slice(d),
            Ir::RepeatDim(d) if d.times == 1 => Ok(self.slot(&d.tensor).clone()),
            _ => Err(Problem::NoCounterpart),
        }
    }

    pub(super) fn lower_pad(&mut self, d: &PadOpIr) -> Result<Slot> {
        let x = self.value(&d.input)?;
        let value = match d.mode {
            PadModeIr::Constant(value) => value.elem::<f32>(),
            PadModeIr::Reflect => return Err(Problem::PadMode("reflection")),
            PadModeIr::Edge => return Err(Problem::PadMode("repeating the edge")),
        };
        let (batch, rest) = d.padding.split_first().ok_or(Problem::MixesBatch)?;
        if *batch != (0, 0) {
            return Err(Problem::MixesBatch);
        }
        let padding = rest.iter().map(|(before, after)| [*before, *after]).collect();
        // Infinity cannot be written to a graph file; the largest number does as well.
        self.emit(Op::Pad { padding, value: value.clamp(f32::MIN, f32::MAX) }, &[x], &d.out)
    }

    fn lower_reshape(&mut self, d: &ShapeOpIr) -> Result<Slot> {
        if let Slot::Rows(value) = *self.slot(&d.input) {
            return self.unfold_rows(value, &d.out);
        }
        let value = self.value(&d.input)?;
        if self.folds_rows(d) {
            return Ok(Slot::Rows(value));
        }
        if d.out.shape.first() != Some(&self.batch) {
            return Err(Problem::MixesBatch);
        }
        self.emit(Op::Reshape { shape: d.out.shape[1..].to_vec() }, &[value], &d.out)
    }

    /// Whether a reshape puts the batch and further dimensions into rows for matrix products only, as Burn's linear
    /// layer does: `[batch, .., n]` becomes `[rows, n]`.
    fn folds_rows(&self, d: &ShapeOpIr) -> bool {
        let (from, to) = (&d.input.shape, &d.out.shape);
        let matmul = |op: &OperationIr| matches!(op, OperationIr::Float(_, FloatOperationIr::Matmul(matmul)) if matmul.lhs.id == d.out.id);
        from.len() > 2
            && to.len() == 2
            && from.last() == to.last()
            && to[0] != self.batch
            && !self.recording.outputs.contains(&d.out.id)
            && self.trace.consumers(d.out.id).all(matmul)
    }

    fn unfold_rows(&mut self, value: ValueId, out: &TensorIr) -> Result<Slot> {
        if out.shape.first() != Some(&self.batch) {
            return Err(Problem::MixesBatch);
        }
        match self.graph.value(value).shape[..] == out.shape[1..] {
            true => Ok(Slot::Value(value)),
            false => self.emit(Op::Reshape { shape: out.shape[1..].to_vec() }, &[value], out),
        }
    }

    fn transpose(&mut self, axes: &[usize], x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        let value = self.value(x)?;
        if axes.first() != Some(&0) {
            return Err(Problem::MixesBatch);
        }
        self.emit(Op::Transpose { perm: axes[1..].iter().map(|axis| axis - 1).collect() }, &[value], out)
    }

    /// One operation per axis that shrinks.
    fn lower_slice(&mut self, d: &SliceOpIr) -> Result<Slot> {
        let mut value = self.value(&d.tensor)?;
        if d.ranges.iter().any(|range| range.step != 1) {
            return Err(Problem::NoCounterpart);
        }
        if d.tensor.shape.first() != d.out.shape.first() {
            return Err(Problem::MixesBatch);
        }
        for (dim, range) in d.ranges.iter().enumerate() {
            let (size, count) = (d.tensor.shape[dim], d.out.shape[dim]);
            if count < size {
                // From the end where negative.
                let start = if range.start < 0 { range.start + size as isize } else { range.start } as usize;
                value = self.push(Op::Slice { axis: dim - 1, start, end: start + count }, &[value], &d.out)?;
            }
        }
        Ok(Slot::Value(value))
    }

    fn lower_concat(&mut self, d: &CatOpIr) -> Result<Slot> {
        let values = d.tensors.iter().map(|tensor| self.value_or_constant(tensor)).collect::<Result<Vec<_>>>()?;
        match (d.dim.checked_sub(1), &values[..]) {
            (_, [single]) => Ok(Slot::Value(*single)),
            (Some(axis), _) => self.emit(Op::Concat { axis }, &values, &d.out),
            (None, _) => Err(Problem::MixesBatch),
        }
    }
}

/// Whether a slice is the whole tensor in order.
fn takes_all(d: &SliceOpIr) -> bool {
    d.tensor.shape == d.out.shape && d.ranges.iter().all(|range| range.step > 0)
}
