//! Lowering of what sequences of tokens need: layer normalisation, attention, embeddings, constants as operands.

use super::{Lowering, Problem, Result, Slot};
use burn_ir::{AttentionOpIr, CastOpIr, EmbeddingOpIr, LayerNormOpIr, MatmulOpIr, ReduceDimOpIr, TensorIr};
use niwaki_graph::{LayerNorm, MatMul, Op, Pool, Unary, ValueId};

impl Lowering<'_> {
    pub(super) fn lower_layer_norm(&mut self, d: &LayerNormOpIr) -> Result<Slot> {
        let x = self.value(&d.input)?;
        if d.input.shape.len() < 2 {
            return Err(Problem::MixesBatch);
        }
        let norm = LayerNorm {
            gamma: self.param(&d.gamma, &d.gamma.shape)?,
            beta: d.beta.as_ref().map(|beta| self.param(beta, &beta.shape)).transpose()?,
            epsilon: d.epsilon.elem(),
        };
        self.emit(Op::LayerNorm(norm), &[x], &d.out)
    }

    /// A product of two activations. A second operand that was only transposed for it is read as it was.
    pub(super) fn lower_product(&mut self, d: &MatmulOpIr) -> Result<Slot> {
        let (a, b) = (self.value(&d.lhs)?, self.value(&d.rhs)?);
        let rank = d.lhs.shape.len();
        if rank < 3 {
            // `[batch, k]`: it would mix samples.
            return Err(Problem::MixesBatch);
        }
        let [outer, other] = [&d.lhs.shape, &d.rhs.shape].map(|shape| &shape[..rank - 2]);
        if outer != other {
            return Err(Problem::Broadcast(d.lhs.shape.to_vec(), d.rhs.shape.to_vec()));
        }
        let (b, transposed) = self.untransposed(b).map_or((b, false), |b| (b, true));
        self.emit(Op::MatMul(MatMul { transposed, scale: 1.0 }), &[a, b], &d.out)
    }

    /// The value whose last two dimensions were exchanged to yield this one.
    fn untransposed(&self, value: ValueId) -> Option<ValueId> {
        let node = &self.graph.nodes[self.graph.producer(value)?];
        let Op::Transpose { perm } = &node.op else { return None };
        let mut exchanged: Vec<usize> = (0..perm.len()).collect();
        let last = perm.len() - 1;
        exchanged.swap(last - 1, last);
        (*perm == exchanged).then(|| node.inputs[0])
    }

    /// Burn's own attention on heads that are apart: `softmax(q k^T * scale) v`.
    pub(super) fn lower_attention(&mut self, d: &AttentionOpIr) -> Result<Slot> {
        if d.mask.is_some() || d.attn_bias.is_some() || d.options.is_causal {
            return Err(Problem::Mask);
        }
        if d.options.softcap.is_some() {
            return Err(Problem::Other("its scores are capped (`softcap`)".into()));
        }
        let [q, k, v] = [&d.query, &d.key, &d.value].map(|tensor| self.value(tensor));
        let (q, k, v) = (q?, k?, v?);
        let size = d.query.shape.last().copied().unwrap_or(1) as f64;
        let scale = d.options.scale.map_or(1.0 / size.sqrt(), |scale| scale.elem::<f64>());
        let scores = self.push(Op::MatMul(MatMul { transposed: true, scale: scale as f32 }), &[q, k], &d.out)?;
        let axis = self.graph.value(scores).shape.len() - 1;
        let weights = self.push(Op::Softmax { axis }, &[scores], &d.out)?;
        self.emit(Op::MatMul(MatMul { transposed: false, scale: 1.0 }), &[weights, v], &d.out)
    }

    /// Inputs may be declared to be whole numbers; anything that was computed would be rounded on a device where Burn cuts
    /// off.
    pub(super) fn lower_into_int(&self, d: &CastOpIr) -> Result<Slot> {
        let x = self.value(&d.input)?;
        match self.graph.inputs.contains(&x) {
            true => Ok(Slot::Value(x)),
            false => Err(Problem::NoCounterpart),
        }
    }

    pub(super) fn lower_embedding(&mut self, d: &EmbeddingOpIr) -> Result<Slot> {
        let x = self.value(&d.indices)?;
        let table = self.param(&d.weights, &d.weights.shape)?;
        self.emit(Op::Embedding(table), &[x], &d.out)
    }

    /// The activation behind an operand, or a constant as one: a parameter that is the same for every sample.
    pub(super) fn value_or_constant(&mut self, tensor: &TensorIr) -> Result<ValueId> {
        let Slot::Constant(constant) = self.slot(tensor) else { return self.value(tensor) };
        let constant = constant.clone();
        // Where it has one entry per sample, those are the same by construction: it was expanded.
        match constant.shape.split_first() {
            Some((1, rest)) if !rest.is_empty() => {
                let data = self.params.param(&mut self.graph, &constant, rest);
                self.push(Op::Constant(data), &[], tensor)
            }
            _ => Err(Problem::ConstantOperand(constant.describe())),
        }
    }

    /// The mean over any dimension of a sample: an average pooling once it is a spatial one.
    pub(super) fn lower_mean(&mut self, d: &ReduceDimOpIr) -> Result<Slot> {
        let x = self.value(&d.input)?;
        let Some(axis) = d.axis.checked_sub(1) else { return Err(Problem::MixesBatch) };
        let shape = self.graph.value(x).shape.clone();
        let rank = shape.len();
        if !(1..=3).contains(&rank) {
            return Err(Problem::NotSpatial(d.axis));
        }
        if rank > 1 && axis > 0 {
            return self.emit(self.average(x, axis), &[x], &d.out);
        }
        // The first dimension holds the channels of a pooling: another takes its place.
        if rank == 1 {
            let row = self.push(Op::Reshape { shape: vec![1, shape[0]] }, &[x], &d.out)?;
            let mean = self.push(self.average(row, 1), &[row], &d.out)?;
            return self.emit(Op::Reshape { shape: vec![1] }, &[mean], &d.out);
        }
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(0, 1);
        let turned = self.push(Op::Transpose { perm: perm.clone() }, &[x], &d.out)?;
        let mean = self.push(self.average(turned, 1), &[turned], &d.out)?;
        self.emit(Op::Transpose { perm }, &[mean], &d.out)
    }

    /// The sum over a dimension, as its mean times its size.
    pub(super) fn lower_sum(&mut self, d: &ReduceDimOpIr) -> Result<Slot> {
        let size = d.input.shape.get(d.axis).copied().unwrap_or(1);
        let Slot::Value(mean) = self.lower_mean(d)? else { return Err(Problem::Upstream) };
        self.emit(Op::Unary(Unary::Affine { scale: size as f32, offset: 0.0 }), &[mean], &d.out)
    }

    /// An average pooling over the whole of one spatial dimension.
    fn average(&self, x: ValueId, axis: usize) -> Op {
        let shape = &self.graph.value(x).shape;
        let kernel: Vec<usize> = (1..shape.len()).map(|dim| if dim == axis { shape[dim] } else { 1 }).collect();
        let padding = vec![[0, 0]; kernel.len()];
        Op::AvgPool(Pool { stride: kernel.clone(), kernel, padding, count_include_pad: true })
    }
}
