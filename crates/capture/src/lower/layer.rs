//! Lowering of layers: convolutions, linear layers, batch normalisation and pooling.

use super::{Lowering, Problem, Result, Slot};
use burn_ir::{BatchNormOpIr, MatmulOpIr, ModuleOperationIr, TensorIr};
use niwaki_graph::{BatchNorm, Conv, Linear, Op, Pool, ValueId};

impl Lowering<'_> {
    pub(super) fn lower_module(&mut self, op: &ModuleOperationIr) -> Result<Slot> {
        use ModuleOperationIr as Ir;
        match op {
            Ir::Conv1d(d) => {
                let (o, weight) = (&d.options, &d.weight);
                let conv = self.conv(weight, d.bias.as_ref(), &o.stride, &o.padding, &o.dilation, o.groups)?;
                self.layer(conv, &d.x, &d.out)
            }
            Ir::Conv2d(d) => {
                let (o, weight) = (&d.options, &d.weight);
                let conv = self.conv(weight, d.bias.as_ref(), &o.stride, &o.padding, &o.dilation, o.groups)?;
                self.layer(conv, &d.x, &d.out)
            }
            Ir::Linear(d) => {
                let weight = self.param(&d.weight, &d.weight.shape)?;
                let bias = d.bias.as_ref().map(|bias| self.param(bias, &[bias.shape.iter().product()])).transpose()?;
                self.layer(Op::Linear(Linear { weight, bias }), &d.x, &d.out)
            }
            Ir::BatchNorm(d) => self.lower_batch_norm(d),
            Ir::LayerNorm(d) => self.lower_layer_norm(d),
            Ir::Attention(d) => self.lower_attention(d),
            Ir::Embedding(d) => self.lower_embedding(d),
            Ir::MaxPool1d(d) => {
                let pool = window(&[d.kernel_size], &[d.stride], &[d.padding], false);
                self.max_pool(pool, &[d.dilation], d.ceil_mode, &d.x, &d.out)
            }
            Ir::MaxPool2d(d) => {
                let pool = window(&d.kernel_size, &d.stride, &d.padding, false);
                self.max_pool(pool, &d.dilation, d.ceil_mode, &d.x, &d.out)
            }
            Ir::AvgPool1d(d) => {
                let pool = window(&[d.kernel_size], &[d.stride], &[d.padding], d.count_include_pad);
                self.pool(Op::AvgPool(pool), d.ceil_mode, &d.x, &d.out)
            }
            Ir::AvgPool2d(d) => {
                let pool = window(&d.kernel_size, &d.stride, &d.padding, d.count_include_pad);
                self.pool(Op::AvgPool(pool), d.ceil_mode, &d.x, &d.out)
            }
            Ir::AdaptiveAvgPool1d(d) => self.adaptive_pool(&[d.output_size], &d.x, &d.out),
            Ir::AdaptiveAvgPool2d(d) => self.adaptive_pool(&d.output_size, &d.x, &d.out),
            _ => Err(Problem::NoCounterpart),
        }
    }

    /// A matrix product with a constant on the right is a linear layer; its bias is a later addition. With an activation on
    /// either side it is a product of values.
    pub(super) fn lower_matmul(&mut self, d: &MatmulOpIr) -> Result<Slot> {
        if let (Slot::Value(_), Slot::Value(_)) = (self.slot(&d.lhs), self.slot(&d.rhs)) {
            return self.lower_product(d);
        }
        let shape = &d.rhs.shape;
        let (outer, matrix) = shape.split_at(shape.len().saturating_sub(2));
        if outer.iter().any(|size| *size != 1) {
            return Err(Problem::Broadcast(d.lhs.shape.to_vec(), d.rhs.shape.to_vec()));
        }
        let weight = match (self.slot(&d.lhs), self.slot(&d.rhs)) {
            (Slot::Value(_) | Slot::Rows(_), Slot::Constant(_) | Slot::Computed(_)) => self.param(&d.rhs, matrix)?,
            (_, Slot::Value(_) | Slot::Rows(_)) => return Err(Problem::ActivationAsParameter),
            _ => return Err(Problem::NoCounterpart),
        };
        let op = Op::Linear(Linear { weight, bias: None });
        match self.slot(&d.lhs) {
            Slot::Rows(value) => self.push(op, &[*value], &d.out).map(Slot::Rows),
            _ => self.layer(op, &d.lhs, &d.out),
        }
    }

    /// Adds a constant to the layer that yields an operand, if it has no bias yet and the constant has one value per
    /// output of the layer.
    pub(super) fn add_bias(&mut self, x: &TensorIr, bias: &TensorIr) -> Option<Slot> {
        let slot = self.slot(x).clone();
        let (Slot::Value(value) | Slot::Rows(value)) = slot else { return None };
        // Nothing else may see the sum without the bias.
        if self.origins.get(&value) != Some(&x.id) || !self.trace.used_once(x.id) {
            return None;
        }
        let node = self.graph.producer(value)?;
        let (old, axis) = match &self.graph.nodes[node].op {
            Op::Linear(linear) => (linear.bias, x.shape.len() - 1),
            Op::Conv(conv) => (conv.bias, 1),
            _ => return None,
        };
        let outputs = x.shape[axis];
        // Burn aligns shapes of different rank at their last dimension.
        let offset = x.shape.len().checked_sub(bias.shape.len())?;
        let fits =
            bias.shape.iter().enumerate().all(|(dim, size)| *size == if dim + offset == axis { outputs } else { 1 });
        if old.is_some() || !fits || axis < offset {
            return None;
        }
        let bias = self.param(bias, &[outputs]).ok()?;
        match &mut self.graph.nodes[node].op {
            Op::Linear(linear) => linear.bias = Some(bias),
            Op::Conv(conv) => conv.bias = Some(bias),
            _ => return None,
        }
        Some(slot)
    }

    fn layer(&mut self, op: Op, x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        let x = self.value(x)?;
        self.emit(op, &[x], out)
    }

    fn conv(
        &mut self,
        weight: &TensorIr,
        bias: Option<&TensorIr>,
        stride: &[usize],
        padding: &[(usize, usize)],
        dilation: &[usize],
        groups: usize,
    ) -> Result<Op> {
        Ok(Op::Conv(Conv {
            weight: self.param(weight, &weight.shape)?,
            bias: bias.map(|bias| self.param(bias, &bias.shape)).transpose()?,
            stride: stride.to_vec(),
            padding: padding.iter().map(|(before, after)| [*before, *after]).collect(),
            dilation: dilation.to_vec(),
            groups,
        }))
    }

    fn lower_batch_norm(&mut self, d: &BatchNormOpIr) -> Result<Slot> {
        let norm = BatchNorm {
            gamma: self.param(&d.gamma, &d.gamma.shape)?,
            beta: self.param(&d.beta, &d.beta.shape)?,
            mean: self.param(&d.mean, &d.mean.shape)?,
            var: self.param(&d.variance, &d.variance.shape)?,
            epsilon: d.epsilon.elem(),
            momentum: self.options.batch_norm_momentum,
        };
        self.layer(Op::BatchNorm(norm), &d.x, &d.out)
    }

    fn max_pool(
        &mut self,
        pool: Pool,
        dilation: &[usize],
        ceil_mode: bool,
        x: &TensorIr,
        out: &TensorIr,
    ) -> Result<Slot> {
        if dilation.iter().zip(&pool.kernel).any(|(dilation, kernel)| *dilation != 1 && *kernel != 1) {
            return Err(Problem::DilatedPool);
        }
        self.pool(Op::MaxPool(pool), ceil_mode, x, out)
    }

    /// Pooling in ceil mode is accepted where it makes no difference.
    fn pool(&mut self, op: Op, ceil_mode: bool, x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        match self.layer(op, x, out) {
            Err(Problem::Shape { .. }) if ceil_mode => Err(Problem::CeilMode),
            result => result,
        }
    }

    fn adaptive_pool(&mut self, sizes: &[usize], x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        let x: ValueId = self.value(x)?;
        let spatial = self.graph.value(x).shape[1..].to_vec();
        if spatial.iter().zip(sizes).any(|(size, wanted)| *wanted == 0 || size % wanted != 0) {
            return Err(Problem::UnevenPool);
        }
        let kernel: Vec<usize> = spatial.iter().zip(sizes).map(|(size, wanted)| size / wanted).collect();
        let pool = window(&kernel, &kernel, &vec![0; kernel.len()], true);
        self.emit(Op::AvgPool(pool), &[x], out)
    }
}

/// A window with as much padding after as before.
fn window(kernel: &[usize], stride: &[usize], padding: &[usize], count_include_pad: bool) -> Pool {
    Pool {
        kernel: kernel.to_vec(),
        stride: stride.to_vec(),
        padding: padding.iter().map(|padding| [*padding; 2]).collect(),
        count_include_pad,
    }
}
