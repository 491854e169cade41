//! Distillation: a teacher on the device, and the loss that comes from it.

use crate::config::TrainConfig;
use crate::loss::{self, Head};
use crate::{DynTensor, GraphModule, Loss, Samples, TrainError};
use burn::tensor::{Device, Tensor, TensorData};
use niwaki_graph::{Graph, Op, ValueId};
use std::sync::Arc;

/// The teacher in evaluation.
pub(crate) struct OpenTeacher {
    module: GraphModule,
    head: Head,
    temperature: f64,
    /// Part of the loss that comes from the teacher's outputs.
    pub(crate) weight: f64,
    features: Vec<ValueId>,
    /// Values of the student whose features are matched.
    pub(crate) student_features: Vec<ValueId>,
    feature_weight: f64,
    known: Option<Arc<Vec<f32>>>,
}

/// Logits, and features in the order they were asked for.
pub(crate) type Outcome = (Tensor<2>, Vec<DynTensor>);

/// Runs a module up to its logits and keeps these values.
pub(crate) fn run(
    module: &GraphModule,
    head: Head,
    inputs: DynTensor,
    keep: &[ValueId],
    hook: &mut dyn FnMut(ValueId, DynTensor) -> DynTensor,
) -> Outcome {
    let wanted: Vec<ValueId> = [head.value].into_iter().chain(keep.iter().copied()).collect();
    let mut outputs = module.run(vec![inputs], &wanted, hook);
    let features = outputs.split_off(1);
    (loss::rows(outputs.remove(0)), features)
}

impl OpenTeacher {
    pub(crate) fn open(
        config: &TrainConfig,
        student: &Graph,
        samples: &Samples,
        device: &Device,
    ) -> Result<Option<Self>, TrainError> {
        let Some(teacher) = &config.distillation else {
            return Ok(None);
        };
        samples.check(&teacher.graph, config.batch)?;
        let (head, own) = (Head::of(&teacher.graph)?, Head::of(student)?);
        if head.classes != own.classes {
            return Err(TrainError::Teacher { teacher: head.classes, student: own.classes });
        }
        let find = |graph: &Graph, name: &String, whose: &'static str| {
            let found = graph.values.iter().position(|value| value.name == *name);
            found.map(ValueId).ok_or_else(|| TrainError::Feature { whose, name: name.clone() })
        };
        let pairs = teacher.features.as_ref().map_or(&[][..], |features| &features.pairs);
        let pick = |graph: &Graph, whose, name: fn(&(String, String)) -> &String| {
            pairs.iter().map(|pair| find(graph, name(pair), whose)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Some(Self {
            module: GraphModule::new(&teacher.graph, device)?,
            head,
            temperature: teacher.temperature,
            weight: teacher.weight,
            features: pick(&teacher.graph, "the teacher's", |pair| &pair.1)?,
            student_features: pick(student, "the student's", |pair| &pair.0)?,
            feature_weight: teacher.features.as_ref().map_or(0.0, |features| features.weight),
            known: teacher
                .known
                .clone()
                .filter(|known| teacher.features.is_none() && known.len() == samples.len() * head.classes),
        }))
    }

    /// The logits of the chosen samples, where they are known.
    pub(crate) fn known(&self, chosen: &[usize], device: &Device) -> Option<Tensor<2>> {
        let (known, classes) = (self.known.as_ref()?, self.head.classes);
        let logits = chosen.iter().flat_map(|sample| &known[sample * classes..(sample + 1) * classes]);
        let data = TensorData::new(logits.copied().collect::<Vec<f32>>(), [chosen.len(), classes]);
        Some(Tensor::from_data(data, device))
    }

    /// The teacher's logits and features, without autodiff.
    pub(crate) fn run(&self, inputs: DynTensor) -> Outcome {
        run(&self.module, self.head, inputs, &self.features, &mut |_, value| value)
    }

    /// The student's loss: its own, the distance from the teacher's outputs, and that from its features.
    pub(crate) fn mix(
        &self,
        objective: Loss,
        own: Option<Tensor<1>>,
        (logits, features): Outcome,
        (taught, taught_features): Outcome,
    ) -> Tensor<1> {
        let taught = Tensor::from_inner(taught);
        let distilled = match objective {
            Loss::CrossEntropy => loss::distillation(logits, taught, self.temperature),
            Loss::MeanSquared => loss::mean_squared(logits, taught),
        };
        let mut loss = match own {
            Some(own) => own.mul_scalar(1.0 - self.weight) + distilled.mul_scalar(self.weight),
            None => distilled,
        };
        let each = self.feature_weight / features.len().max(1) as f64;
        for (student, teacher) in features.into_iter().zip(taught_features) {
            loss = loss + loss::similarity(student, teacher.into_autodiff()).mul_scalar(each);
        }
        loss
    }
}

/// Values to match features at, by name: what layers (convolutions in one group, and linear ones) read, where both
/// graphs have it. Inputs of the graph are left out.
pub fn feature_pairs(student: &Graph, teacher: &Graph) -> Vec<(String, String)> {
    let read = |graph: &Graph| -> Vec<String> {
        let layers = graph.nodes.iter().filter(|node| match &node.op {
            Op::Conv(conv) => conv.groups == 1,
            op => matches!(op, Op::Linear(_)),
        });
        let mut names: Vec<String> = Vec::new();
        for value in layers.map(|node| node.inputs[0]).filter(|value| !graph.inputs.contains(value)) {
            let name = &graph.value(value).name;
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    };
    let taught = read(teacher);
    read(student).into_iter().filter(|name| taught.contains(name)).map(|name| (name.clone(), name)).collect()
}
