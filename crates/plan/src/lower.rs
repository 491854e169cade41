//! Graph nodes to steps, one after the other.

mod layer;
mod movement;
mod place;
mod product;
mod slice;

use crate::{
    Kernel, Plan, PlanError, Window,
    elementwise::{self, clamp_range},
    layout::{channels_innermost, innermost},
    window::{self, Geometry},
};
use niwaki_graph::{Graph, Node, Op, Unary, ValueId};
use niwaki_quantise::{Quantisation, QuantisedGraph, fused_clamp};
use place::{Layout, Place};

struct Lowering<'a> {
    quantised: &'a QuantisedGraph,
    graph: &'a Graph,
    plan: Plan,
    /// Per value, where it is; the first place is where it was computed.
    places: Vec<Vec<Place>>,
    storages: usize,
}

/// Steps for every node; offsets are still zero.
pub(crate) fn lower(quantised: &QuantisedGraph) -> Result<Plan, PlanError> {
    let graph = &quantised.graph;
    let places = vec![Vec::new(); graph.values.len()];
    let mut lowering = Lowering { quantised, graph, plan: Plan::default(), places, storages: 0 };
    for id in &graph.inputs {
        let order = channels_innermost(lowering.sizes(*id).len());
        let tensor = lowering.place(*id, &order)?;
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
        let order = channels_innermost(lowering.sizes(*id).len());
        let tensor = lowering.operand(*id, &order)?;
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
    fn node(&mut self, index: usize, clamp: Option<usize>) -> Result<(), PlanError> {
        let node = &self.graph.nodes[index];
        let output = clamp.map_or(node.output, |clamp| self.graph.nodes[clamp].output);
        let range = match clamp.map(|clamp| &self.graph.nodes[clamp].op) {
            Some(Op::Unary(unary)) => clamp_range(*unary, self.quantisation(output)),
            _ => [i8::MIN, i8::MAX],
        };
        let context = Context { node, output, range, macs: self.graph.macs(node) };
        let first = node.inputs.first().copied().unwrap_or(output);
        let pair = [self.quantisation(first), self.quantisation(output)];
        match &node.op {
            Op::Conv(_) => self.conv(index, &context, pair),
            Op::Linear(_) => self.linear(index, &context, pair),
            Op::BatchNorm(_) => Err(PlanError::NotFolded(node.name.clone())),
            Op::LayerNorm(norm) => self.layer_norm(&context, norm, pair),
            Op::Unary(unary) => self.unary(&context, *unary, pair),
            Op::Binary(op) => self.binary(&context, *op),
            Op::MatMul(product) => self.matmul(&context, product),
            Op::Embedding(table) => self.embedding(&context, *table),
            // Put where it is read, in the order that is wanted there.
            Op::Constant(_) => Ok(()),
            Op::Concat { axis } => self.concat(&context, *axis),
            Op::Slice { axis, start, end } => self.slice(&context, *axis, *start..*end),
            Op::MaxPool(pool) => {
                let geometry = Geometry::of_pool(&node.name, pool)?;
                // A window that is all padding has no maximum: the graph would yield minus infinity.
                let kernel = Kernel::MaxPool { window: geometry.window };
                self.simple(&context, &channels_innermost(pool.kernel.len() + 1), kernel)
            }
            Op::AvgPool(pool) => {
                let geometry = Geometry::of_pool(&node.name, pool)?;
                let requantise = window::average(&node.name, &geometry, pool.count_include_pad, pair)?;
                let kernel = Kernel::AvgPool { window: geometry.window, requantise };
                self.simple(&context, &channels_innermost(pool.kernel.len() + 1), kernel)
            }
            Op::GlobalAvgPool { .. } => self.global_average(&context, pair),
            Op::Reshape { .. } => self.reshape(&context),
            Op::Transpose { perm } => self.transpose(&context, perm),
            Op::Pad { padding, value } => self.pad(&context, padding, *value),
            Op::Softmax { axis } => self.softmax(&context, *axis, pair),
        }
    }

    /// A node that is one step on its only operand, both in the same order.
    fn simple(&mut self, context: &Context, order: &[usize], kernel: Kernel) -> Result<(), PlanError> {
        let input = self.operand(context.node.inputs[0], order)?;
        let output = self.place(context.output, order)?;
        self.step(&context.node.name, kernel, &[input], output, context.range, context.macs);
        Ok(())
    }

    fn unary(&mut self, context: &Context, unary: Unary, [from, to]: [Quantisation; 2]) -> Result<(), PlanError> {
        let kernel = elementwise::lut(from, to, |x| unary.apply(x));
        let place = self.first(context.node.inputs[0])?;
        let (order, scattered) = match place.layout {
            Layout::Order(order) => (order, None),
            Layout::Scattered(elements) => (vec![0], Some(elements)),
        };
        let output = self.place(context.output, &order)?;
        self.step(&context.node.name, kernel, &[place.tensor], output, context.range, context.macs);
        if let (Some(elements), Some(place)) = (scattered, self.places[context.output.0].last_mut()) {
            place.layout = Layout::Scattered(elements);
        }
        Ok(())
    }

    fn global_average(&mut self, context: &Context, scales: [Quantisation; 2]) -> Result<(), PlanError> {
        let id = context.node.inputs[0];
        let input = self.operand(id, &channels_innermost(self.sizes(id).len()))?;
        let [height, width, _] = self.shape_of(input);
        let window = Window { kernel: [height, width], stride: [1, 1], dilation: [1, 1], padding: [0, 0] };
        let geometry = Geometry { window, padding: [[0, 0]; 2] };
        let requantise = window::average(&context.node.name, &geometry, true, scales)?;
        let output = self.place(context.output, &channels_innermost(self.sizes(context.output).len()))?;
        let kernel = Kernel::AvgPool { window: geometry.window, requantise };
        self.step(&context.node.name, kernel, &[input], output, context.range, context.macs);
        Ok(())
    }

    fn softmax(&mut self, context: &Context, axis: usize, [from, to]: [Quantisation; 2]) -> Result<(), PlanError> {
        let (name, id) = (&context.node.name, context.node.inputs[0]);
        let held = self.order(id)?;
        let order = innermost(self.sizes(id), &held, axis);
        let input = self.operand(id, &order)?;
        let kernel = elementwise::softmax(from);
        let output = self.place(context.output, &order)?;
        if to == Quantisation::PROBABILITY {
            self.plain(name, kernel, &[input], output);
            return Ok(());
        }
        let shares = self.tensor(name, self.shape_of(input), Quantisation::PROBABILITY);
        self.plain(name, kernel, &[input], shares);
        let rescale = elementwise::lut(Quantisation::PROBABILITY, to, |x| x);
        self.plain(&format!("{name}.scale"), rescale, &[shares], output);
        Ok(())
    }
}
