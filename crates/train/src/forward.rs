//! The forward pass: walks the nodes in order and maps each operation to Burn's.

use crate::convolution::{Steps, conv2d};
use crate::tensor::map_rank;
use crate::{DynTensor, GraphModule, TrainError};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions, PadMode};
use burn::tensor::{Tensor, activation, module};
use niwaki_graph::{BatchNorm, Binary, Conv, LayerNorm, Linear, MatMul, Op, ParamId, Pool, Unary, ValueId};

impl GraphModule {
    /// Runs the graph on a batch: one tensor per input, `[batch, per-sample shape...]`, and one per output.
    ///
    /// # Errors
    /// [`TrainError::Arity`] for another number of inputs than the graph has, [`TrainError::InputShape`] for another
    /// shape.
    pub fn forward(&self, inputs: Vec<DynTensor>) -> Result<Vec<DynTensor>, TrainError> {
        self.forward_with(inputs, &mut |_, tensor| tensor)
    }

    /// Like [`GraphModule::forward`]; every value, inputs included, passes through `hook` before anything reads it.
    ///
    /// Values that no output depends on are not computed.
    ///
    /// # Errors
    /// As [`GraphModule::forward`].
    pub fn forward_with(
        &self,
        inputs: Vec<DynTensor>,
        hook: &mut dyn FnMut(ValueId, DynTensor) -> DynTensor,
    ) -> Result<Vec<DynTensor>, TrainError> {
        let graph = self.structure();
        if inputs.len() != graph.inputs.len() {
            let problem = format!("{} tensors were given, one per input is needed", inputs.len());
            return Err(TrainError::Arity { what: "inputs", count: graph.inputs.len(), problem });
        }
        for (id, tensor) in graph.inputs.iter().zip(&inputs) {
            let (value, got) = (graph.value(*id), tensor.shape()[1..].to_vec());
            if value.shape != got {
                let (name, expected) = (value.name.clone(), value.shape.clone());
                return Err(TrainError::InputShape { name, expected, got });
            }
        }
        Ok(self.run(inputs, &graph.outputs, hook))
    }

    /// Runs what the wanted values depend on. Inputs are checked by the caller.
    pub(crate) fn run(
        &self,
        inputs: Vec<DynTensor>,
        wanted: &[ValueId],
        hook: &mut dyn FnMut(ValueId, DynTensor) -> DynTensor,
    ) -> Vec<DynTensor> {
        let graph = self.structure();
        let batch = inputs.first().map_or(1, |input| input.shape()[0]);
        // How often each value will still be read: the last reader takes it, so that Burn can work in place.
        let mut reads = vec![0usize; graph.values.len()];
        wanted.iter().for_each(|id| reads[id.0] += 1);
        for node in graph.nodes.iter().rev() {
            if reads[node.output.0] > 0 {
                node.inputs.iter().for_each(|id| reads[id.0] += 1);
            }
        }
        let mut values: Vec<Option<DynTensor>> = vec![None; graph.values.len()];
        for (id, tensor) in graph.inputs.iter().zip(inputs) {
            values[id.0] = Some(hook(*id, tensor));
        }
        let take = |values: &mut [Option<DynTensor>], reads: &mut [usize], id: ValueId| {
            reads[id.0] -= 1;
            let value = if reads[id.0] == 0 { values[id.0].take() } else { values[id.0].clone() };
            value.expect("nodes are in execution order")
        };
        for node in &graph.nodes {
            if reads[node.output.0] > 0 {
                let operands = node.inputs.iter().map(|id| take(&mut values, &mut reads, *id)).collect();
                values[node.output.0] = Some(hook(node.output, self.apply(&node.op, operands, batch)));
            }
        }
        wanted.iter().map(|id| take(&mut values, &mut reads, *id)).collect()
    }

    fn apply(&self, op: &Op, mut operands: Vec<DynTensor>, batch: usize) -> DynTensor {
        if let Op::Constant(data) = op {
            return self.constant(*data, batch);
        }
        if let Op::Concat { axis } = op {
            return concat(operands, axis + 1);
        }
        let x = operands.remove(0);
        match op {
            Op::Conv(conv) => self.conv(conv, x),
            Op::Linear(linear) => self.linear(linear, x),
            Op::BatchNorm(norm) => map_rank!(x, x => self.batch_norm(norm, x)),
            Op::Unary(function) => map_rank!(x, x => unary(*function, x)),
            Op::Binary(function) => binary(*function, x, operands.remove(0)),
            Op::Slice { axis, start, end } => map_rank!(x, x => x.narrow(axis + 1, *start, end - start)),
            Op::MaxPool(pool) => max_pool(pool, x),
            Op::AvgPool(pool) => avg_pool(pool, x),
            Op::GlobalAvgPool { keep_dims } => global_avg_pool(x, *keep_dims),
            Op::Reshape { shape } => {
                let batch = x.shape()[0];
                x.reshape(&with_batch(batch, shape))
            }
            Op::Transpose { perm } => transpose(x, perm),
            Op::Pad { padding, value } => {
                let pairs: Vec<(usize, usize)> = [(0, 0)].into_iter().chain(pairs(padding)).collect();
                map_rank!(x, x => x.pad(pairs.as_slice(), PadMode::Constant(*value)))
            }
            Op::Softmax { axis } => map_rank!(x, x => activation::softmax(x, axis + 1)),
            Op::LayerNorm(norm) => map_rank!(x, x => self.layer_norm(norm, x)),
            Op::MatMul(product) => matmul(product, x, operands.remove(0)),
            Op::Embedding(table) => self.embedding(*table, x),
            Op::Concat { .. } | Op::Constant(_) => unreachable!("handled above"),
        }
    }

    fn conv(&self, conv: &Conv, x: DynTensor) -> DynTensor {
        let bias = conv.bias.map(|id| self.param(id));
        match x {
            DynTensor::R3(x) => {
                let (stride, padding, dilation) =
                    (array(&conv.stride), pair_array(&conv.padding), array(&conv.dilation));
                let options = ConvOptions::<1>::new_with_padding(stride, padding, dilation, conv.groups);
                module::conv1d(x, self.param(conv.weight), bias, options).into()
            }
            DynTensor::R4(x) => {
                let (stride, padding, dilation) =
                    (array(&conv.stride), pair_array(&conv.padding), array(&conv.dilation));
                let steps = Steps { stride, padding: array(&conv.padding), dilation, groups: conv.groups };
                let weight = self.param(conv.weight);
                let fast = conv2d(&x, &weight, bias.as_ref(), steps);
                let burns = || {
                    let options = ConvOptions::<2>::new_with_padding(stride, padding, dilation, conv.groups);
                    module::conv2d(x, weight, bias, options)
                };
                fast.unwrap_or_else(burns).into()
            }
            other => unspatial(&other),
        }
    }

    fn linear(&self, linear: &Linear, x: DynTensor) -> DynTensor {
        let (weight, bias) = (self.param(linear.weight), linear.bias.map(|id| self.param(id)));
        map_rank!(x, x => module::linear(x, weight, bias))
    }

    fn layer_norm<const D: usize>(&self, norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
        module::layer_norm(x, self.param(norm.gamma), norm.beta.map(|id| self.param(id)), norm.epsilon)
    }

    /// The table's rows for elements that are whole numbers.
    fn embedding(&self, table: ParamId, x: DynTensor) -> DynTensor {
        let shape = x.shape();
        let flat = match x.reshape(&[shape[0], shape[1..].iter().product()]) {
            DynTensor::R2(flat) => flat,
            _ => unreachable!("reshaped to two dimensions"),
        };
        let rows = DynTensor::from(module::embedding(self.param(table), flat.int()));
        let columns = rows.shape()[2];
        rows.reshape(&shape.into_iter().chain([columns]).collect::<Vec<_>>())
    }

    /// A parameter, the same for every sample of the batch.
    fn constant(&self, data: ParamId, batch: usize) -> DynTensor {
        let value = self.value(data);
        let shape = &self.structure().param(data).shape;
        let one = value.reshape(&with_batch(1, shape));
        map_rank!(one, one => repeat(one, batch))
    }

    /// As Burn's own: batch statistics in training, with the biased variance in the running one.
    fn batch_norm<const D: usize>(&self, norm: &BatchNorm, x: Tensor<D>) -> Tensor<D> {
        let (gamma, beta) = (self.param(norm.gamma), self.param(norm.beta));
        let (mean, var) = (self.running(norm.mean), self.running(norm.var));
        if !(self.is_training() && x.device().is_autodiff()) {
            return module::batch_norm(x, gamma, beta, mean.value_sync(), var.value_sync(), norm.epsilon);
        }
        let batch = module::batch_norm_train(x, gamma, beta, norm.epsilon);
        let mix = |old: Tensor<1>, new: Tensor<1>| {
            let old = old.mul_scalar(1.0 - norm.momentum);
            old.add(new.detach().mul_scalar(norm.momentum)).detach()
        };
        mean.update(mix(mean.value_sync(), batch.mean));
        var.update(mix(var.value_sync(), batch.variance));
        batch.output
    }
}

fn unary<const D: usize>(function: Unary, x: Tensor<D>) -> Tensor<D> {
    match function {
        Unary::Relu => activation::relu(x),
        Unary::Clamp { min, max } => x.clamp(min, max),
        Unary::Sigmoid => activation::sigmoid(x),
        Unary::Tanh => activation::tanh(x),
        Unary::LeakyRelu { slope } => activation::leaky_relu(x, slope.into()),
        Unary::HardSigmoid { alpha, beta } => activation::hard_sigmoid(x, alpha.into(), beta.into()),
        Unary::HardSwish => activation::hard_swish(x),
        Unary::Gelu => activation::gelu(x),
        Unary::GeluTanh => activation::gelu_approximate(x),
        Unary::Affine { scale, offset } => x.mul_scalar(scale).add_scalar(offset),
    }
}

fn binary(function: Binary, a: DynTensor, b: DynTensor) -> DynTensor {
    fn apply<const D: usize>(function: Binary, a: Tensor<D>, b: DynTensor) -> Tensor<D>
    where
        Tensor<D>: TryFrom<DynTensor>,
    {
        let b = same_rank(b);
        match function {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
        }
    }
    map_rank!(a, a => apply(function, a, b))
}

fn repeat<const D: usize>(x: Tensor<D>, batch: usize) -> Tensor<D> {
    let mut shape = x.dims();
    shape[0] = batch;
    x.expand(shape)
}

fn matmul(product: &MatMul, a: DynTensor, b: DynTensor) -> DynTensor {
    fn apply<const D: usize>(product: &MatMul, a: Tensor<D>, b: DynTensor) -> Tensor<D>
    where
        Tensor<D>: TryFrom<DynTensor>,
    {
        let b: Tensor<D> = same_rank(b);
        let b = if product.transposed { b.transpose() } else { b };
        let result = a.matmul(b);
        if product.scale == 1.0 { result } else { result.mul_scalar(product.scale) }
    }
    map_rank!(a, a => apply(product, a, b))
}

fn concat(mut operands: Vec<DynTensor>, dim: usize) -> DynTensor {
    fn join<const D: usize>(first: Tensor<D>, rest: Vec<DynTensor>, dim: usize) -> Tensor<D>
    where
        Tensor<D>: TryFrom<DynTensor>,
    {
        Tensor::cat([first].into_iter().chain(rest.into_iter().map(same_rank)).collect(), dim)
    }
    let first = operands.remove(0);
    map_rank!(first, first => join(first, operands, dim))
}

fn same_rank<const D: usize>(x: DynTensor) -> Tensor<D>
where
    Tensor<D>: TryFrom<DynTensor>,
{
    x.try_into().unwrap_or_else(|_| unreachable!("a valid graph's operands have the same rank"))
}

fn max_pool(pool: &Pool, x: DynTensor) -> DynTensor {
    fn options<const N: usize>(pool: &Pool) -> MaxPoolOptions<N> {
        let options = MaxPoolOptions::new(array(&pool.kernel)).with_stride(array(&pool.stride));
        options.with_padding_pairs(pair_array(&pool.padding))
    }
    match x {
        DynTensor::R3(x) => module::max_pool1d(x, options(pool)).into(),
        DynTensor::R4(x) => module::max_pool2d(x, options(pool)).into(),
        other => unspatial(&other),
    }
}

fn avg_pool(pool: &Pool, x: DynTensor) -> DynTensor {
    fn options<const N: usize>(pool: &Pool) -> AvgPoolOptions<N> {
        let options = AvgPoolOptions::new(array(&pool.kernel)).with_stride(array(&pool.stride));
        options.with_padding_pairs(pair_array(&pool.padding)).with_count_include_pad(pool.count_include_pad)
    }
    match x {
        DynTensor::R3(x) => module::avg_pool1d(x, options(pool)).into(),
        DynTensor::R4(x) => module::avg_pool2d(x, options(pool)).into(),
        other => unspatial(&other),
    }
}

fn global_avg_pool(x: DynTensor, keep_dims: bool) -> DynTensor {
    let shape = x.shape();
    let kept = if keep_dims { shape.len() } else { 2 };
    let target: Vec<usize> = shape.iter().take(2).copied().chain(std::iter::repeat(1)).take(kept).collect();
    match x.reshape(&[shape[0], shape[1], shape[2..].iter().product()]) {
        DynTensor::R3(flat) => DynTensor::from(flat.mean_dim(2)).reshape(&target),
        _ => unreachable!("reshaped to three dimensions"),
    }
}

fn transpose(x: DynTensor, perm: &[usize]) -> DynTensor {
    fn axes<const D: usize>(perm: &[usize]) -> [usize; D] {
        std::array::from_fn(|dim| if dim == 0 { 0 } else { perm[dim - 1] + 1 })
    }
    map_rank!(x, x => x.permute(axes(perm)))
}

fn with_batch(batch: usize, shape: &[usize]) -> Vec<usize> {
    [batch].into_iter().chain(shape.iter().copied()).collect()
}

fn array<T: Copy, const N: usize>(values: &[T]) -> [T; N] {
    std::array::from_fn(|axis| values[axis])
}

fn pair_array<const N: usize>(values: &[[usize; 2]]) -> [(usize, usize); N] {
    std::array::from_fn(|axis| values[axis].into())
}

fn pairs(padding: &[[usize; 2]]) -> impl Iterator<Item = (usize, usize)> {
    padding.iter().map(|pair| (*pair).into())
}

fn unspatial(x: &DynTensor) -> ! {
    unreachable!("operands of windows have one or two spatial dimensions, not {:?}", x.shape())
}
