//! Losses: where a graph's logits are, cross-entropy and squared error on them, and distillation.

use crate::{DynTensor, GraphModule, Loss, Samples, TrainError};
use burn::tensor::{Device, Tensor, TensorData, activation};
use niwaki_graph::{Graph, Op, ValueId};

/// The logits of a graph that classifies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Head {
    /// Their value: the graph's output, or what is before a softmax at its end.
    pub(crate) value: ValueId,
    /// How many there are per sample.
    pub(crate) classes: usize,
}

impl Head {
    /// Finds the logits. Cross-entropy of a softmax of a softmax would train badly, hence the step back.
    pub(crate) fn of(graph: &Graph) -> Result<Self, TrainError> {
        let [output] = graph.outputs[..] else {
            let problem = "a classifier has one; keep only the one with the logits".to_string();
            return Err(TrainError::Arity { what: "outputs", count: graph.outputs.len(), problem });
        };
        let mut value = output;
        let classes = graph.value(output).shape.iter().product();
        while let Some(node) = graph.producer(value).map(|index| &graph.nodes[index]) {
            match &node.op {
                Op::Softmax { axis } if graph.value(value).shape[*axis] == classes => value = node.inputs[0],
                _ => break,
            }
        }
        Ok(Self { value, classes })
    }

    /// Runs the graph up to the logits, `[batch, classes]`.
    pub(crate) fn logits(self, module: &GraphModule, inputs: DynTensor) -> Tensor<2> {
        self.logits_with(module, inputs, &mut |_, tensor| tensor)
    }

    /// Like [`Head::logits`]; every value passes through `hook`.
    pub(crate) fn logits_with(
        self,
        module: &GraphModule,
        inputs: DynTensor,
        hook: &mut dyn FnMut(ValueId, DynTensor) -> DynTensor,
    ) -> Tensor<2> {
        let logits = module.run(vec![inputs], &[self.value], hook).remove(0);
        rows(logits)
    }
}

/// `[batch, everything else]`.
pub(crate) fn rows(x: DynTensor) -> Tensor<2> {
    let shape = x.shape();
    let flat = x.reshape(&[shape[0], shape[1..].iter().product()]);
    flat.try_into().unwrap_or_else(|_| unreachable!("reshaped to two dimensions"))
}

/// What some samples of a data set should yield, on a device.
pub(crate) enum Goal {
    /// Distributions over classes.
    Classes(Tensor<2>),
    /// Outputs.
    Values(Tensor<2>),
}

impl Goal {
    /// Of the samples at these places, which were checked with [`Samples::check_for`].
    pub(crate) fn of(samples: &Samples, places: &[usize], head: Head, config: (Loss, f64), device: &Device) -> Self {
        let (loss, smoothing) = config;
        match loss {
            Loss::CrossEntropy => {
                let labels: Vec<usize> = places.iter().map(|place| samples.labels[*place]).collect();
                Self::Classes(targets(&labels, head.classes, smoothing, device))
            }
            Loss::MeanSquared => {
                let all = if samples.targets.is_empty() { &samples.inputs } else { &samples.targets };
                let row = |place: &usize| all[place * head.classes..(place + 1) * head.classes].iter().copied();
                let data: Vec<f32> = places.iter().flat_map(row).collect();
                Self::Values(Tensor::from_data(TensorData::new(data, [places.len(), head.classes]), device))
            }
        }
    }

    /// The mean loss per sample of these outputs.
    pub(crate) fn loss(self, outputs: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Classes(targets) => cross_entropy(outputs, targets),
            Self::Values(targets) => mean_squared(outputs, targets),
        }
    }
}

/// The squared difference, averaged over elements and samples.
pub(crate) fn mean_squared(outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let difference = outputs - targets;
    // Row by row first, as in `batch_mean`.
    (difference.clone() * difference).mean_dim(1).mean()
}

/// The squared difference from the teacher's features relative to their mean square, both over all elements; the teacher
/// without autodiff.
pub(crate) fn relative_squared(student: DynTensor, teacher: DynTensor) -> Tensor<1> {
    let teacher = rows(teacher);
    let scale = (teacher.clone() * teacher.clone()).mean_dim(1).mean().add_scalar(1e-12);
    mean_squared(rows(student), Tensor::from_inner(teacher)) / Tensor::from_inner(scale)
}

/// How much the similarities between a batch's samples differ: row-normalised Gram matrices, squared difference,
/// averaged over their elements (Tung and Mori 2019, arXiv:1907.09682, equation 4).
pub(crate) fn similarity(student: DynTensor, teacher: DynTensor) -> Tensor<1> {
    fn gram(x: DynTensor) -> Tensor<2> {
        let x = rows(x);
        let gram = x.clone().matmul(x.transpose());
        let norm = (gram.clone() * gram.clone()).sum_dim(1).add_scalar(1e-12).sqrt();
        gram / norm
    }
    mean_squared(gram(student), gram(teacher))
}

/// The distribution that each sample should get, `[batch, classes]`: `1 - smoothing` at its label, and `smoothing`
/// spread evenly over all classes (Szegedy et al. 2016, arXiv:1512.00567, section 7).
pub(crate) fn targets(labels: &[usize], classes: usize, smoothing: f64, device: &Device) -> Tensor<2> {
    let mut data = vec![(smoothing / classes as f64) as f32; labels.len() * classes];
    for (row, label) in data.chunks_exact_mut(classes).zip(labels) {
        row[*label] += (1.0 - smoothing) as f32;
    }
    Tensor::from_data(TensorData::new(data, [labels.len(), classes]), device)
}

/// Mean cross-entropy per sample, in nats.
pub(crate) fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    batch_mean(activation::log_softmax(logits, 1) * targets).neg()
}

/// Mean Kullback-Leibler divergence per sample, in nats, of the student from the teacher at a temperature, times the
/// temperature's square, which keeps gradients at one scale (Hinton et al. 2015, arXiv:1503.02531, section 2).
pub(crate) fn distillation(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let student = activation::log_softmax(student.div_scalar(temperature), 1);
    let teacher = activation::log_softmax(teacher.div_scalar(temperature), 1);
    batch_mean(teacher.clone().exp() * (teacher - student)).mul_scalar(temperature * temperature)
}

/// The sum over classes, averaged over samples. Row by row first: Burn's sum over a whole large tensor depends on how
/// threads share it.
fn batch_mean(terms: Tensor<2>) -> Tensor<1> {
    terms.sum_dim(1).mean()
}

/// Index of the largest logit, the first among equals.
pub(crate) fn top_one(logits: &[f32]) -> usize {
    let better = |best: usize, index: usize| if logits[index] > logits[best] { index } else { best };
    (1..logits.len()).fold(0, better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothed_targets_sum_to_one() {
        let data = crate::tensor::into_vec(targets(&[2, 0], 4, 0.2, &Device::flex()));
        assert_eq!(data, [0.05, 0.05, 0.85, 0.05, 0.85, 0.05, 0.05, 0.05]);
    }

    #[test]
    fn logits_are_before_the_softmax() {
        let mut graph = Graph::default();
        let input = graph.add_input("input0", vec![3]);
        let softmax = graph.push("softmax", Op::Softmax { axis: 0 }, &[input]).expect("fits");
        graph.outputs.push(softmax);
        assert_eq!(Head::of(&graph), Ok(Head { value: input, classes: 3 }));
    }

    #[test]
    fn features_are_compared_relative_to_the_teachers() {
        let device = Device::flex();
        let of = |data: Vec<f32>, device: &Device| DynTensor::from_vec(data, &[1, 3], device);
        let teacher = of(vec![9.0, 2.0, 2.0], &device).channels(&[2, 1]);
        let student = DynTensor::from_vec(vec![1.0, 3.0], &[1, 2], &device.clone().autodiff());
        let distance: f32 = relative_squared(student, teacher).inner().into_scalar();
        assert!((distance - 0.25).abs() < 1e-6, "{distance}");
    }

    #[test]
    fn similarity_does_not_depend_on_width_or_scale() {
        let device = Device::flex();
        let narrow = || DynTensor::from_vec(vec![1.0, 0.0, 1.0, 1.0], &[2, 2], &device);
        // The same angles, three times as long, in twice the width.
        let wide = DynTensor::from_vec(vec![3.0, 0.0, 0.0, 0.0, 3.0, 3.0, 0.0, 0.0], &[2, 1, 4], &device);
        let same: f32 = similarity(narrow(), wide).into_scalar();
        assert!(same.abs() < 1e-6, "{same}");
        let other = DynTensor::from_vec(vec![1.0, 0.0, 0.0, 1.0], &[2, 2], &device);
        let different: f32 = similarity(narrow(), other).into_scalar();
        assert!(different > 0.05, "{different}");
    }

    #[test]
    fn distilling_from_itself_costs_nothing() {
        let logits = || Tensor::<2>::from_floats([[1.0, -2.0, 0.5]], &Device::flex());
        let loss: f32 = distillation(logits(), logits(), 3.0).into_scalar();
        assert!(loss.abs() < 1e-6, "{loss}");
    }
}
