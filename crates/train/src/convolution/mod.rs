//! Convolutions over two axes on Burn's flex device, with their gradients, faster than its own.
//!
//! Fine-tuning is most of what a user waits for. Burn computes the gradients of a convolution as other convolutions
//! (transposed; batch and channels swapped; one per group), which on a CPU costs several times the forward pass. Here
//! both directions are matrix products over rows that overlap (`rows.rs`), and depthwise layers sums of shifted planes.
//! Any other device, and grouped convolutions that are not depthwise, keep Burn's.
//!
//! Sums are taken in one order whatever the number of threads: the same seed gives the same weights.

mod depthwise;
mod products;
mod rows;

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use products::LANES;
use rayon::prelude::*;

/// Images of one task, whose gradients it sums up: the same on every machine, so that sums have one order.
const IMAGES: usize = 8;

/// A convolution over images of `height` x `width`: what the loops go by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    channels: usize,
    filters: usize,
    /// Rows and columns, as all pairs below.
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Before the first row and column; what lies behind the last follows from `output`.
    padding: [usize; 2],
    dilation: [usize; 2],
    depthwise: bool,
}

/// How windows move: rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) stride: [usize; 2],
    /// Before and after, per axis.
    pub(crate) padding: [[usize; 2]; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) groups: usize,
}

/// `x` (N, C, H, W) convolved with `weight` (O, C / groups, kh, kw), or `None` where Burn's own has to do it.
pub(crate) fn conv2d(x: &Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>, steps: Steps) -> Option<Tensor<4>> {
    let ([_, channels, height, width], [filters, per_group, rows, columns]) = (x.dims(), weight.dims());
    let depthwise = steps.groups == channels && filters == channels && per_group == 1;
    if x.device().inner() != Device::flex() || !(steps.groups == 1 || depthwise) {
        return None;
    }
    let (input, kernel) = ([height, width], [rows, columns]);
    let output = std::array::from_fn(|axis| {
        let span = steps.dilation[axis] * (kernel[axis] - 1) + 1;
        (input[axis] + steps.padding[axis].iter().sum::<usize>() - span) / steps.stride[axis] + 1
    });
    let geometry = Geometry {
        channels,
        filters,
        input,
        output,
        kernel,
        stride: steps.stride,
        padding: steps.padding.map(|[before, _]| before),
        dilation: steps.dilation,
        depthwise: depthwise && steps.groups > 1,
    };
    let bias = bias.cloned().unwrap_or_else(|| Tensor::zeros([filters], &x.device().inner()));
    let inputs = (x.clone().into_dispatch(), weight.clone().into_dispatch(), bias.into_dispatch());
    Some(Tensor::from_dispatch(<Dispatch as Windows>::windows(inputs.0, inputs.1, inputs.2, geometry)))
}

/// The operation, as Burn takes one of a user's.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Windows: Backend {
    /// The convolution of `x` with `weight`, plus `bias`.
    fn windows(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self>;
}

impl Windows for Flex {
    fn windows(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let (x, weight, bias) = (elements(&x), elements(&weight), elements(&bias));
        let images = x.len() / geometry.input_len();
        let mut output = vec![0.0; images * geometry.output_len()];
        let some = if geometry.depthwise { depthwise::forward } else { rows::forward };
        output
            .par_chunks_mut(IMAGES * geometry.output_len())
            .zip(x.par_chunks(IMAGES * geometry.input_len()))
            .for_each_init(Vec::new, |scratch, (output, x)| some(&geometry, x, weight, bias, output, scratch));
        let [height, width] = geometry.output;
        tensor(output, [images, geometry.filters, height, width])
    }
}

impl<C: CheckpointStrategy> Windows for Autodiff<Flex, C> {
    fn windows(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        match Step.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), geometry);
                prep.finish(
                    state,
                    Flex::windows(x.into_primitive(), weight.into_primitive(), bias.into_primitive(), geometry),
                )
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Flex::windows(x.into_primitive(), weight.into_primitive(), bias.into_primitive(), geometry))
            }
        }
    }
}

/// The operation's place in the graph of gradients.
#[derive(Debug)]
struct Step;

impl Backward<Flex, 3> for Step {
    type State = (NodeId, NodeId, Geometry);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [of_x, of_weight, of_bias] = ops.parents;
        let (x, weight, geometry) = ops.state;
        let above = grads.consume::<Flex>(&ops.node);
        let x = checkpointer.retrieve_node_output::<FloatTensor<Flex>>(x).to_contiguous();
        let weight = checkpointer.retrieve_node_output::<FloatTensor<Flex>>(weight).to_contiguous();
        let above = above.to_contiguous();
        let (x, weight, above) = (elements(&x), elements(&weight), elements(&above));
        let result = backward(&geometry, x, weight, above, of_x.is_some(), of_weight.is_some());
        let images = x.len() / geometry.input_len();
        let ([height, width], [rows, columns]) = (geometry.input, geometry.kernel);
        if let Some(node) = of_x {
            grads.register::<Flex>(node.id, tensor(result.x, [images, geometry.channels, height, width]));
        }
        if let Some(node) = of_weight {
            let per_group = if geometry.depthwise { 1 } else { geometry.channels };
            grads.register::<Flex>(node.id, tensor(result.weight, [geometry.filters, per_group, rows, columns]));
        }
        if let Some(node) = of_bias {
            grads.register::<Flex>(node.id, tensor(result.bias, [geometry.filters]));
        }
    }
}

/// Gradients of a loss with respect to the operands; empty where not wanted.
struct Operands {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

fn backward(geometry: &Geometry, x: &[f32], weight: &[f32], above: &[f32], of_x: bool, of_weight: bool) -> Operands {
    let some = if geometry.depthwise { depthwise::backward } else { rows::backward };
    let (input, output) = (geometry.input_len(), geometry.output_len());
    let mut x_gradient = vec![0.0; x.len()];
    let parts: Vec<[Vec<f32>; 2]> = x_gradient
        .par_chunks_mut(IMAGES * input)
        .zip(x.par_chunks(IMAGES * input))
        .zip(above.par_chunks(IMAGES * output))
        .map_init(Vec::new, |scratch, ((x_gradients, xs), aboves)| {
            let mut weight_gradient = vec![0.0; if of_weight { weight.len() } else { 0 }];
            let mut bias_gradient = vec![0.0; geometry.filters];
            for above in aboves.chunks(output) {
                for (sum, plane) in bias_gradient.iter_mut().zip(above.chunks(geometry.plane())) {
                    *sum += total(plane);
                }
            }
            let x_gradients = of_x.then_some(x_gradients);
            some(geometry, xs, weight, aboves, x_gradients, &mut weight_gradient, scratch);
            [weight_gradient, bias_gradient]
        })
        .collect();
    let sum = |mut a: [Vec<f32>; 2], b: [Vec<f32>; 2]| {
        for (a, b) in a.iter_mut().zip(b) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
        a
    };
    let [weight, bias] = parts.into_iter().reduce(sum).unwrap_or_default();
    Operands { x: x_gradient, weight, bias }
}

/// The sum of a plane, in lanes: one after the other, additions would wait for each other.
fn total(plane: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = plane.as_chunks::<LANES>();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
    }
    sums.iter().chain(rest).sum()
}

impl Geometry {
    /// Elements of one image.
    fn input_len(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Elements of one image's output.
    fn output_len(&self) -> usize {
        self.filters * self.plane()
    }

    /// Elements of one channel of the output.
    fn plane(&self) -> usize {
        self.output[0] * self.output[1]
    }
}

fn elements(contiguous: &FloatTensor<Flex>) -> &[f32] {
    contiguous.as_slice().expect("contiguous, of 32-bit floats")
}

fn tensor(elements: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Flex> {
    Flex::float_from_data(TensorData::new(elements, shape.into()), &Default::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, module, ops::ConvOptions};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    type Results = [Tensor<4>; 3];

    /// The output, and the gradients of a random weighting of it with respect to the operands.
    fn results(
        operands: &Results,
        bias: &Tensor<1>,
        act: impl Fn(&Results, &Tensor<1>) -> Tensor<4>,
    ) -> Vec<TensorData> {
        let device = Device::flex().autodiff();
        let leaf = |tensor: &Tensor<4>| Tensor::<4>::from_data(tensor.to_data(), &device).require_grad();
        let operands = operands.each_ref().map(leaf);
        let bias = Tensor::<1>::from_data(bias.to_data(), &device).require_grad();
        let output = act(&operands, &bias);
        let grads = (output.clone() * operands[2].clone()).sum().backward();
        let of = |tensor: &Tensor<4>| tensor.grad(&grads).expect("has a gradient").into_data();
        vec![output.into_data(), of(&operands[0]), of(&operands[1]), bias.grad(&grads).expect("has one").into_data()]
    }

    #[test]
    fn equals_burns_convolution_and_its_gradients() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let device = Device::flex();
        let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
        for case in 0..200 {
            let depthwise = case % 2 == 0;
            let channels = rng.random_range(1..8);
            let groups = if depthwise { channels } else { 1 };
            let filters = if depthwise { channels } else { rng.random_range(1..8) };
            let mut pair = |from, to| [rng.random_range(from..=to), rng.random_range(from..=to)];
            let (input, kernel, stride, dilation) = (pair(5, 12), pair(1, 3), pair(1, 3), pair(1, 2));
            let padding = [pair(0, 2), pair(0, 2)];
            let steps = Steps { stride, padding, dilation, groups };
            let x = random([1 + case % 9, channels, input[0], input[1]]);
            let weight = random([filters, channels / groups, kernel[0], kernel[1]]);
            let bias = Tensor::<1>::random([filters], Distribution::Uniform(-1.0, 1.0), &device);
            let ours = |[x, weight, _]: &Results, bias: &Tensor<1>| {
                conv2d(x, weight, Some(bias), steps).expect("one it can do")
            };
            let burns = |[x, weight, _]: &Results, bias: &Tensor<1>| {
                let pairs = padding.map(|[before, after]| (before, after));
                let options = ConvOptions::<2>::new_with_padding(stride, pairs, dilation, groups);
                module::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options)
            };
            let size = burns(&[x.clone(), weight.clone(), x.clone()], &bias).dims();
            let operands = [x, weight, random(size)];
            let (ours, burns) = (results(&operands, &bias, ours), results(&operands, &bias, burns));
            for (ours, burns) in ours.iter().zip(&burns) {
                ours.assert_approx_eq::<f32>(burns, burn::tensor::Tolerance::absolute(1e-4));
            }
        }
    }

    #[test]
    fn leaves_grouped_convolutions_to_burn() {
        let x = Tensor::<4>::zeros([1, 4, 5, 5], &Device::flex());
        let steps = Steps { stride: [1, 1], padding: [[0, 0]; 2], dilation: [1, 1], groups: 2 };
        assert!(conv2d(&x, &Tensor::zeros([4, 2, 3, 3], &Device::flex()), None, steps).is_none());
    }
}
