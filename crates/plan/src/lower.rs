//! Graph nodes to steps, one after the other.

use crate::{
    Interface, Kernel, Plan, PlanError, Step, Tensor, TensorId, Window,
    elementwise::{self, clamp_range},
    layout::{channels_last, is_c_order, memory_axis, memory_order, memory_perm, nhwc},
    window::{self, Geometry},
};
use niwaki_graph::{Graph, Node, Op, Unary, ValueId};
use niwaki_quantise::{Quantisation, QuantisedGraph, fused_clamp};
use std::rc::Rc;

/// Where a value is, and in which order.
#[derive(Clone)]
struct Place {
    tensor: TensorId,
    /// For a flattened value whose bytes stayed where they were: the C-order index of every byte.
    order: Option<Rc<Vec<usize>>>,
}

struct Lowering<'a> {
    quantised: &'a QuantisedGraph,
    graph: &'a Graph,
    plan: Plan,
    places: Vec<Option<Place>>,
    storages: usize,
}

/// Steps for every node; offsets are still zero.
pub(crate) fn lower(quantised: &QuantisedGraph) -> Result<Plan, PlanError> {
    let graph = &quantised.graph;
    let places = vec![None; graph.values.len()];
    let mut lowering = Lowering { quantised, graph, plan: Plan::default(), places, storages: 0 };
    for id in &graph.inputs {
        let tensor = lowering.place(*id)?;
        lowering.plan.inputs.push(lowering.interface(*id, tensor));
    }
    let mut fused = vec![false; graph.nodes.len()];
    for index in 0..graph.nodes.len() {
        if fused[index] {
            continue;
        }
        let clamp = fused_clamp(graph, index);
        if let Some(clamp) = clamp {
            fused[clamp] = true;
        }
        lowering.node(index, clamp)?;
    }
    for id in &graph.outputs {
        let tensor = lowering.tensor_of(*id);
        lowering.plan.outputs.push(lowering.interface(*id, tensor));
    }
    Ok(lowering.plan)
}

/// What every lowering of a node starts from.
struct Context<'a> {
    node: &'a Node,
    /// The value that is written: the node's own, or that of the clamp fused into it.
    output: ValueId,
    range: [i8; 2],
    macs: usize,
}

impl Lowering<'_> {
    fn interface(&self, id: ValueId, tensor: TensorId) -> Interface {
        let value = self.graph.value(id);
        Interface { name: value.name.clone(), tensor, shape: value.shape.clone() }
    }

    fn quantisation(&self, id: ValueId) -> Quantisation {
        self.quantised.values[id.0]
    }

    fn tensor_of(&self, id: ValueId) -> TensorId {
        self.places[id.0].as_ref().expect("nodes are in execution order").tensor
    }

    fn shape_of(&self, tensor: TensorId) -> [usize; 3] {
        self.plan.tensors[tensor.0].shape
    }

    /// A new tensor in a storage of its own.
    fn tensor(&mut self, name: &str, shape: [usize; 3], quantisation: Quantisation) -> TensorId {
        self.storages += 1;
        let storage = self.storages - 1;
        self.plan.tensors.push(Tensor { name: name.into(), shape, quantisation, storage, offset: 0 });
        TensorId(self.plan.tensors.len() - 1)
    }

    /// The same bytes under another shape.
    fn view(&mut self, name: &str, of: TensorId, shape: [usize; 3]) -> TensorId {
        let tensor = Tensor { name: name.into(), shape, ..self.plan.tensors[of.0].clone() };
        self.plan.tensors.push(tensor);
        TensorId(self.plan.tensors.len() - 1)
    }

    /// A new tensor for a value.
    fn place(&mut self, id: ValueId) -> Result<TensorId, PlanError> {
        let value = self.graph.value(id);
        let tensor = self.tensor(&value.name, nhwc(value)?, self.quantisation(id));
        self.places[id.0] = Some(Place { tensor, order: None });
        Ok(tensor)
    }

    fn step(&mut self, name: &str, kernel: Kernel, inputs: &[TensorId], output: TensorId, range: [i8; 2], macs: usize) {
        self.plan.steps.push(Step { name: name.into(), macs, kernel, inputs: inputs.to_vec(), output, range });
    }

    /// A step that only moves bytes.
    fn transpose(&mut self, name: &str, input: TensorId, perm: [usize; 3]) -> TensorId {
        let (shape, quantisation) = (self.shape_of(input), self.plan.tensors[input.0].quantisation);
        let output = self.tensor(name, perm.map(|axis| shape[axis]), quantisation);
        self.step(name, Kernel::Transpose { perm }, &[input], output, [i8::MIN, i8::MAX], 0);
        output
    }

    fn node(&mut self, index: usize, clamp: Option<usize>) -> Result<(), PlanError> {
        let node = &self.graph.nodes[index];
        let output = clamp.map_or(node.output, |clamp| self.graph.nodes[clamp].output);
        let range = match clamp.map(|clamp| &self.graph.nodes[clamp].op) {
            Some(Op::Unary(unary)) => clamp_range(*unary, self.quantisation(output)),
            _ => [i8::MIN, i8::MAX],
        };
        let context = Context { node, output, range, macs: self.graph.macs(node) };
        let pair = [self.quantisation(node.inputs[0]), self.quantisation(output)];
        match &node.op {
            Op::Conv(_) => self.conv(index, &context, pair),
            Op::Linear(_) => self.linear(index, &context, pair),
            Op::BatchNorm(_) => Err(PlanError::NotFolded(node.name.clone())),
            Op::Unary(unary) => self.unary(&context, *unary, pair),
            Op::Binary(op) => {
                let operands = [self.quantisation(node.inputs[0]), self.quantisation(node.inputs[1])];
                let kernel = elementwise::binary(&node.name, *op, operands, pair[1])?;
                self.simple(&context, kernel)
            }
            Op::Concat { axis } => self.concat(&context, *axis),
            Op::MaxPool(pool) => {
                let geometry = Geometry::of_pool(&node.name, pool)?;
                // A window that is all padding has no maximum: the graph would yield minus infinity.
                let window = geometry.window.clone();
                self.simple(&context, Kernel::MaxPool { window })
            }
            Op::AvgPool(pool) => {
                let geometry = Geometry::of_pool(&node.name, pool)?;
                let requantise = window::average(&node.name, &geometry, pool.count_include_pad, pair)?;
                self.simple(&context, Kernel::AvgPool { window: geometry.window, requantise })
            }
            Op::GlobalAvgPool { .. } => self.global_average(&context, pair),
            Op::Reshape { .. } => self.reshape(&context),
            Op::Transpose { perm } => {
                let perm = memory_perm(perm);
                self.simple(&context, Kernel::Transpose { perm })
            }
            Op::Pad { padding, value } => {
                let mut origin = [0; 3];
                for (axis, [before, _]) in padding.iter().enumerate() {
                    origin[memory_axis(padding.len(), axis)] = *before;
                }
                self.simple(&context, Kernel::Pad { origin, value: pair[1].quantise(*value) })
            }
            Op::Softmax { axis } => self.softmax(&context, *axis, pair),
        }
    }

    /// A node that is one step on its operands as they are.
    fn simple(&mut self, context: &Context, kernel: Kernel) -> Result<(), PlanError> {
        let inputs: Vec<TensorId> = context.node.inputs.iter().map(|id| self.tensor_of(*id)).collect();
        let output = self.place(context.output)?;
        self.step(&context.node.name, kernel, &inputs, output, context.range, context.macs);
        Ok(())
    }

    fn conv(&mut self, index: usize, context: &Context, scales: [Quantisation; 2]) -> Result<(), PlanError> {
        let Op::Conv(conv) = &context.node.op else { return Ok(()) };
        let name = &context.node.name;
        let kernel = &self.graph.param(conv.weight).shape[2..];
        let mut geometry = Geometry::of_conv(name, conv, kernel)?;
        let mut input = self.tensor_of(context.node.inputs[0]);
        if !geometry.overlaps() {
            input = self.border(name, input, &geometry);
            geometry.window.padding = [0, 0];
        }
        let weights = self.quantised.weights[index].as_ref().expect("convolutions have weights");
        let kernel = window::conv(name, conv, weights, kernel, geometry.window, scales)?;
        let output = self.place(context.output)?;
        self.step(name, kernel, &[input], output, context.range, context.macs);
        Ok(())
    }

    /// Padding as a step of its own.
    fn border(&mut self, name: &str, input: TensorId, geometry: &Geometry) -> TensorId {
        let ([height, width, channels], quantisation) = (self.shape_of(input), self.plan.tensors[input.0].quantisation);
        let [[top, bottom], [left, right]] = geometry.padding;
        let name = format!("{name}.pad");
        let padded = self.tensor(&name, [top + height + bottom, left + width + right, channels], quantisation);
        let kernel = Kernel::Pad { origin: [top, left, 0], value: quantisation.zero_point };
        self.step(&name, kernel, &[input], padded, [i8::MIN, i8::MAX], 0);
        padded
    }

    fn linear(&mut self, index: usize, context: &Context, scales: [Quantisation; 2]) -> Result<(), PlanError> {
        let name = &context.node.name;
        let weights = self.quantised.weights[index].as_ref().expect("linear layers have weights");
        let place = self.places[context.node.inputs[0].0].clone().expect("nodes are in execution order");
        let rank = self.graph.value(context.node.inputs[0]).shape.len();
        let order = place.order.as_ref().map(|order| order.as_slice());
        let kernel = window::fully_connected(name, weights, order, scales)?;
        if rank == 1 {
            let output = self.place(context.output)?;
            self.step(name, kernel, &[place.tensor], output, context.range, context.macs);
            return Ok(());
        }
        // Over the last dimension of a sequence: a 1x1 convolution once that dimension holds the channels.
        let Kernel::FullyConnected { weights, bias, requantise } = kernel else { return Ok(()) };
        let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0, 0] };
        let kernel = Kernel::Conv2d { window, groups: 1, weights, bias, requantise };
        let perm = channels_last(memory_axis(rank, rank - 1));
        let turned = self.transpose(&format!("{name}.in"), place.tensor, perm);
        let output = self.place(context.output)?;
        let shape = self.shape_of(output);
        let result = self.tensor(name, perm.map(|axis| shape[axis]), scales[1]);
        self.step(name, kernel, &[turned], result, context.range, context.macs);
        self.step(&format!("{name}.out"), Kernel::Transpose { perm }, &[result], output, [i8::MIN, i8::MAX], 0);
        Ok(())
    }

    fn unary(&mut self, context: &Context, unary: Unary, [from, to]: [Quantisation; 2]) -> Result<(), PlanError> {
        let order = self.places[context.node.inputs[0].0].as_ref().and_then(|place| place.order.clone());
        self.simple(context, elementwise::lut(from, to, |x| unary.apply(x)))?;
        if let Some(place) = &mut self.places[context.output.0] {
            place.order = order;
        }
        Ok(())
    }

    fn concat(&mut self, context: &Context, axis: usize) -> Result<(), PlanError> {
        let output = self.place(context.output)?;
        let axis = memory_axis(self.graph.value(context.output).shape.len(), axis);
        let mut origin = [0; 3];
        for (part, id) in context.node.inputs.iter().enumerate() {
            let input = self.tensor_of(*id);
            let name = format!("{}.{part}", context.node.name);
            self.step(&name, Kernel::Concat { origin }, &[input], output, [i8::MIN, i8::MAX], 0);
            origin[axis] += self.shape_of(input)[axis];
        }
        Ok(())
    }

    fn global_average(&mut self, context: &Context, scales: [Quantisation; 2]) -> Result<(), PlanError> {
        let input = self.tensor_of(context.node.inputs[0]);
        let [height, width, _] = self.shape_of(input);
        let window = Window { kernel: [height, width], stride: [1, 1], dilation: [1, 1], padding: [0, 0] };
        let geometry = Geometry { window, padding: [[0, 0]; 2] };
        let requantise = window::average(&context.node.name, &geometry, true, scales)?;
        self.simple(context, Kernel::AvgPool { window: geometry.window, requantise })
    }

    fn softmax(&mut self, context: &Context, axis: usize, [from, to]: [Quantisation; 2]) -> Result<(), PlanError> {
        let name = &context.node.name;
        let rank = self.graph.value(context.output).shape.len();
        let perm = channels_last(memory_axis(rank, axis));
        let turned = perm != [0, 1, 2];
        let rescaled = to != Quantisation::PROBABILITY;
        let mut input = self.tensor_of(context.node.inputs[0]);
        if turned {
            input = self.transpose(&format!("{name}.in"), input, perm);
        }
        let output = self.place(context.output)?;
        let mut result = output;
        if turned || rescaled {
            result = self.tensor(name, self.shape_of(input), Quantisation::PROBABILITY);
        }
        self.step(name, elementwise::softmax(from), &[input], result, [i8::MIN, i8::MAX], 0);
        if rescaled {
            let target = if turned { self.tensor(name, self.shape_of(result), to) } else { output };
            let kernel = elementwise::lut(Quantisation::PROBABILITY, to, |x| x);
            self.step(&format!("{name}.scale"), kernel, &[result], target, [i8::MIN, i8::MAX], 0);
            result = target;
        }
        if turned {
            self.step(&format!("{name}.out"), Kernel::Transpose { perm }, &[result], output, [i8::MIN, i8::MAX], 0);
        }
        Ok(())
    }

    /// A view where memory order allows it; where only linear layers read the result, their weights are reordered;
    /// elsewhere the bytes are brought into C order and out of it.
    fn reshape(&mut self, context: &Context) -> Result<(), PlanError> {
        let name = &context.node.name;
        let place = self.places[context.node.inputs[0].0].clone().expect("nodes are in execution order");
        let (from, to) = (self.shape_of(place.tensor), nhwc(self.graph.value(context.output))?);
        let flat = self.graph.value(context.output).shape.len() == 1;
        let (tensor, order) = if is_c_order(from) && is_c_order(to) {
            (self.view(name, place.tensor, to), place.order)
        } else if flat && self.only_linear(context.output) {
            (self.view(name, place.tensor, to), Some(Rc::new(memory_order(from))))
        } else {
            let mut tensor = place.tensor;
            if !is_c_order(from) {
                tensor = self.transpose(&format!("{name}.in"), tensor, [2, 0, 1]);
            }
            if !is_c_order(to) {
                tensor = self.view(name, tensor, [to[2], to[0], to[1]]);
                tensor = self.transpose(name, tensor, [1, 2, 0]);
            }
            (self.view(name, tensor, to), None)
        };
        self.places[context.output.0] = Some(Place { tensor, order });
        Ok(())
    }

    /// Whether a value is read by linear layers alone, directly or through element-wise functions.
    fn only_linear(&self, id: ValueId) -> bool {
        let consumers = self.graph.consumers(id);
        !self.graph.outputs.contains(&id)
            && consumers.iter().all(|consumer| {
                let node = &self.graph.nodes[*consumer];
                match &node.op {
                    Op::Linear(_) => true,
                    Op::Unary(_) => self.only_linear(node.output),
                    _ => false,
                }
            })
    }
}
