//! A graph as a Burn module: parameters on a device, and back.

use crate::{DynTensor, TrainError, tensor::MAX_RANK};
use burn::module::{Module, Param, ParamGroup, RunningState};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use niwaki_graph::{Graph, Op, ParamId};
use std::sync::Arc;

/// A [`Graph`] that runs and trains on a Burn device.
///
/// It is a Burn module: optimisers, `valid()`, `to_device` and records work on it as on any other. Its parameters are
/// in the order of [`Graph::params`].
///
/// On an autodiff device a module is in training: batch normalisation uses the batch's statistics and updates its
/// running ones. [`GraphModule::with_training`] switches that off, `valid()` leaves autodiff altogether.
///
/// As with Burn's own batch normalisation, a clone shares the running statistics; `valid()` copies them.
#[derive(Module, Debug)]
pub struct GraphModule {
    slots: Vec<Slot>,
    /// The graph without its parameters' data.
    #[module(skip)]
    structure: Arc<Graph>,
    #[module(skip)]
    training: bool,
}

/// One parameter on the device.
#[derive(Module, Debug)]
enum Slot {
    R1(Param<Tensor<1>>),
    R2(Param<Tensor<2>>),
    R3(Param<Tensor<3>>),
    R4(Param<Tensor<4>>),
    /// Running statistics: no gradient, updated by the forward pass.
    Running(RunningState<Tensor<1>>),
}

/// How the operations use a parameter, which decides the form it is kept in.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// A matrix or filters, in the parameter's own shape.
    Weight,
    /// One element per channel, kept in one dimension.
    Vector,
    /// Mean or variance of a batch normalisation.
    Running,
}

impl GraphModule {
    /// Puts a graph on a device.
    ///
    /// # Errors
    /// [`TrainError::Graph`] for an invalid graph, [`TrainError::Rank`] for a parameter without or with more than four
    /// dimensions, a value with more than four per sample, or a convolution or pooling over more than two.
    pub fn new(graph: &Graph, device: &Device) -> Result<Self, TrainError> {
        graph.validate()?;
        let rank = |what, name: &str, shape: &[usize], limit| {
            Err(TrainError::Rank { what, name: name.to_string(), shape: shape.to_vec(), limit })
        };
        if let Some(value) = graph.values.iter().find(|value| value.shape.len() >= MAX_RANK) {
            return rank("value", &value.name, &value.shape, "at most four");
        }
        if let Some(param) = graph.params.iter().find(|param| !(1..=4).contains(&param.shape.len())) {
            return rank("parameter", &param.name, &param.shape, "one to four");
        }
        if let Some(node) = graph.nodes.iter().find(|node| !windows_fit(&node.op)) {
            return rank("the operand of", &node.name, &graph.value(node.inputs[0]).shape, "one or two spatial");
        }
        let roles = roles(graph);
        let slots = graph.params.iter().zip(roles).map(|(param, role)| {
            let shape = if role == Role::Weight { param.shape.clone() } else { vec![param.data.len()] };
            Slot::new(TensorData::new(param.data.clone(), shape), role, device)
        });
        let slots = slots.collect();
        let mut structure = graph.clone();
        structure.params.iter_mut().for_each(|param| param.data = Vec::new());
        Ok(Self { slots, structure: Arc::new(structure), training: true })
    }

    /// Whether batch normalisation may use the batch's statistics, which it does on an autodiff device only.
    pub fn with_training(mut self, training: bool) -> Self {
        self.training = training;
        self
    }

    /// Whether batch normalisation may use the batch's statistics.
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// The graph as it was given, except that parameters hold no data: names, shapes and operations.
    pub fn structure(&self) -> &Graph {
        &self.structure
    }

    /// The graph with the parameters as they are now, running statistics included.
    pub fn to_graph(&self) -> Graph {
        let mut graph = Graph::clone(&self.structure);
        for (param, slot) in graph.params.iter_mut().zip(&self.slots) {
            param.data = slot.value().into_vec();
        }
        graph
    }

    /// The device of the parameters; flex where there is no parameter.
    pub fn device(&self) -> Device {
        self.slots.first().map_or_else(Device::flex, |slot| slot.value().device())
    }

    /// Burn's identifiers of the parameters with one dimension: biases, and scale and offset of normalisations.
    pub(crate) fn vector_ids(&self) -> Vec<burn::module::ParamId> {
        let id = |slot: &Slot| match slot {
            Slot::R1(param) => Some(param.id),
            _ => None,
        };
        self.slots.iter().filter_map(id).collect()
    }

    /// The size of every parameter that is trained: the root mean square of what is not zero, at least 0.001.
    pub(crate) fn sizes(&self) -> Vec<(ParamGroup, f64)> {
        let size = |slot: &Slot| {
            let id = match slot {
                Slot::R1(param) => param.id,
                Slot::R2(param) => param.id,
                Slot::R3(param) => param.id,
                Slot::R4(param) => param.id,
                Slot::Running(_) => return None,
            };
            let live = slot.value().into_vec().into_iter().filter(|x| *x != 0.0).map(f64::from);
            let (sum, count) = live.fold((0.0, 0usize), |(sum, count), x| (sum + x * x, count + 1));
            Some((ParamGroup::from_ids(vec![id]), (sum / count.max(1) as f64).sqrt().max(1e-3)))
        };
        self.slots.iter().filter_map(size).collect()
    }

    /// Whether the parameter is a running statistic, which is not trained.
    pub(crate) fn is_running(&self, id: ParamId) -> bool {
        matches!(self.slots[id.0], Slot::Running(_))
    }

    /// A parameter as it is kept.
    pub(crate) fn value(&self, id: ParamId) -> DynTensor {
        self.slots[id.0].value()
    }

    /// A parameter of a rank that its role implies.
    pub(crate) fn param<const D: usize>(&self, id: ParamId) -> Tensor<D>
    where
        Tensor<D>: TryFrom<DynTensor>,
    {
        let value = self.slots[id.0].value();
        value.try_into().unwrap_or_else(|_| panic!("parameter {} is not of rank {D}", self.structure.param(id).name))
    }

    /// The same module in which some parameters are replaced, by tensors that are computed from them: gradients flow
    /// back to the originals. Running statistics are shared.
    pub(crate) fn substituted(&self, with: &mut dyn FnMut(ParamId, DynTensor) -> Option<DynTensor>) -> Self {
        fn replace<const D: usize>(
            param: &mut Param<Tensor<D>>,
            id: ParamId,
            with: &mut dyn FnMut(ParamId, DynTensor) -> Option<DynTensor>,
        ) where
            Tensor<D>: TryFrom<DynTensor> + Into<DynTensor>,
        {
            if let Some(tensor) = with(id, param.val().into()) {
                let tensor = tensor.try_into().unwrap_or_else(|_| unreachable!("replaced by one of its own rank"));
                *param = Param::initialized(param.id, tensor);
            }
        }
        let mut module = self.clone();
        for (index, slot) in module.slots.iter_mut().enumerate() {
            let id = ParamId(index);
            match slot {
                Slot::R1(param) => replace(param, id, with),
                Slot::R2(param) => replace(param, id, with),
                Slot::R3(param) => replace(param, id, with),
                Slot::R4(param) => replace(param, id, with),
                Slot::Running(_) => {}
            }
        }
        module
    }

    /// A running statistic.
    pub(crate) fn running(&self, id: ParamId) -> &RunningState<Tensor<1>> {
        match &self.slots[id.0] {
            Slot::Running(state) => state,
            _ => unreachable!("means and variances are kept as running statistics"),
        }
    }

    /// Sets elements of some parameters to zero: those where the mask, on the parameters' own device, is true.
    pub(crate) fn zeroed(mut self, drop: &[(ParamId, Tensor<1, Bool>)]) -> Self {
        for (id, drop) in drop {
            match &mut self.slots[id.0] {
                Slot::R1(param) => zero(param, drop),
                Slot::R2(param) => zero(param, drop),
                Slot::R3(param) => zero(param, drop),
                Slot::R4(param) => zero(param, drop),
                Slot::Running(_) => unreachable!("masks of running statistics are refused"),
            }
        }
        self
    }

    /// The gradient of every parameter, as host data; zeros where none arrived.
    pub(crate) fn read_gradients(&self, gradients: &burn::tensor::Gradients) -> Vec<Vec<f32>> {
        fn read<const D: usize>(param: &Param<Tensor<D>>, gradients: &burn::tensor::Gradients) -> Vec<f32> {
            let value = param.val();
            let zeros = || vec![0.0; value.shape().num_elements()];
            value.grad(gradients).map_or_else(zeros, crate::tensor::into_vec)
        }
        let all = self.slots.iter().map(|slot| match slot {
            Slot::R1(param) => read(param, gradients),
            Slot::R2(param) => read(param, gradients),
            Slot::R3(param) => read(param, gradients),
            Slot::R4(param) => read(param, gradients),
            Slot::Running(state) => vec![0.0; state.value().shape().num_elements()],
        });
        all.collect()
    }
}

impl Slot {
    fn new(data: TensorData, role: Role, device: &Device) -> Self {
        match (role, data.shape().len()) {
            (Role::Running, _) => Self::Running(RunningState::new(Tensor::from_data(data, device))),
            (_, 1) => Self::R1(Param::from_data(data, device)),
            (_, 2) => Self::R2(Param::from_data(data, device)),
            (_, 3) => Self::R3(Param::from_data(data, device)),
            (_, 4) => Self::R4(Param::from_data(data, device)),
            (_, rank) => unreachable!("parameters of rank {rank} are refused"),
        }
    }

    fn value(&self) -> DynTensor {
        match self {
            Self::R1(param) => param.val().into(),
            Self::R2(param) => param.val().into(),
            Self::R3(param) => param.val().into(),
            Self::R4(param) => param.val().into(),
            Self::Running(state) => state.value_sync().into(),
        }
    }
}

/// Whether a convolution or pooling is over one or two dimensions.
fn windows_fit(op: &Op) -> bool {
    match op {
        Op::Conv(conv) => (1..=2).contains(&conv.stride.len()),
        Op::MaxPool(pool) | Op::AvgPool(pool) => (1..=2).contains(&pool.kernel.len()),
        _ => true,
    }
}

fn roles(graph: &Graph) -> Vec<Role> {
    let mut roles = vec![Role::Weight; graph.params.len()];
    for node in &graph.nodes {
        match &node.op {
            Op::Conv(conv) => conv.bias.iter().for_each(|id| roles[id.0] = Role::Vector),
            Op::Linear(linear) => linear.bias.iter().for_each(|id| roles[id.0] = Role::Vector),
            Op::BatchNorm(norm) => {
                roles[norm.gamma.0] = Role::Vector;
                roles[norm.beta.0] = Role::Vector;
            }
            Op::LayerNorm(norm) => {
                roles[norm.gamma.0] = Role::Vector;
                norm.beta.iter().for_each(|id| roles[id.0] = Role::Vector);
            }
            _ => {}
        }
    }
    // Last, because a parameter that is also a running statistic must not be trained.
    for node in &graph.nodes {
        if let Op::BatchNorm(norm) = &node.op {
            roles[norm.mean.0] = Role::Running;
            roles[norm.var.0] = Role::Running;
        }
    }
    roles
}

/// Through the inner tensor, because the result has to be a leaf: anything else would get no gradient.
fn zero<const D: usize>(param: &mut Param<Tensor<D>>, drop: &Tensor<1, Bool>) {
    let old = param.val();
    let drop = drop.clone().reshape(old.dims());
    let new = Tensor::from_inner(old.inner().mask_fill(drop, 0.0)).require_grad();
    *param = Param::initialized(param.id, new);
}
