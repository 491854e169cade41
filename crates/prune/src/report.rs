//! Before and after: shape, channels, parameters and multiply-accumulates of every layer.

use niwaki_graph::{Graph, Node, Op, ParamId, ValueId};
use serde::Serialize;
use std::{collections::BTreeSet, fmt};

/// How large a layer or a graph is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Channels that convolutions and linear layers yield.
    pub channels: usize,
    /// Elements of parameters; a shared one counts where it is used first.
    pub parameters: usize,
    /// Multiply-accumulates per inference.
    pub macs: usize,
}

/// One layer with parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerReport {
    /// The node's name.
    pub name: String,
    /// The operation's usual name.
    pub kind: &'static str,
    /// Shape of its weight (batch normalisation: its gamma) before.
    pub shape_before: Vec<usize>,
    /// And after.
    pub shape_after: Vec<usize>,
    /// Size before.
    pub before: Size,
    /// Size after.
    pub after: Size,
}

/// A graph and its pruned form, compared layer by layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Layers of the graph before, in execution order.
    pub layers: Vec<LayerReport>,
    /// All layers before; frozen ones included.
    pub before: Size,
    /// All layers after.
    pub after: Size,
}

/// Channels that convolutions and linear layers yield, but for those of the layers that compute the outputs: they are
/// the task's, not the network's to give up.
pub fn hidden_channels(graph: &Graph) -> usize {
    let channels = |node: &Node| match &node.op {
        Op::Conv(conv) => graph.param(conv.weight).shape[0],
        Op::Linear(linear) => graph.param(linear.weight).shape[1],
        _ => 0,
    };
    graph.nodes.iter().filter(|node| !reaches_output(graph, node.output)).map(channels).sum()
}

/// Whether a value is an output, or becomes one without passing another layer.
pub(crate) fn reaches_output(graph: &Graph, value: ValueId) -> bool {
    let passes = |index: &usize| !matches!(graph.nodes[*index].op, Op::Conv(_) | Op::Linear(_));
    let consumers = graph.consumers(value);
    let mut onward = consumers.iter().filter(|index| passes(index)).map(|index| graph.nodes[*index].output);
    graph.outputs.contains(&value) || onward.any(|value| reaches_output(graph, value))
}

impl Report {
    /// Compares two graphs by their nodes' names. A layer that is gone altogether counts as zero.
    pub fn new(before: &Graph, after: &Graph) -> Self {
        let (old, new) = (measure(before), measure(after));
        let gone = || (Vec::new(), Size::default());
        let layers = old.iter().map(|(node, shape, size)| {
            let found = new.iter().find(|(other, ..)| other.name == node.name);
            let (shape_after, after) = found.map_or_else(gone, |(_, shape, size)| (shape.clone(), *size));
            LayerReport {
                name: node.name.clone(),
                kind: node.op.kind(),
                shape_before: shape.clone(),
                shape_after,
                before: *size,
                after,
            }
        });
        Self { layers: layers.collect(), before: total(&old), after: total(&new) }
    }

    /// Share of the channels of all convolutions and linear layers that is gone, 0 to 1.
    pub fn channels_gone(&self) -> f64 {
        gone(self.before.channels, self.after.channels)
    }

    /// Share of the parameters that is gone, 0 to 1.
    pub fn parameters_gone(&self) -> f64 {
        gone(self.before.parameters, self.after.parameters)
    }

    /// Share of the multiply-accumulates that is gone, 0 to 1.
    pub fn macs_gone(&self) -> f64 {
        gone(self.before.macs, self.after.macs)
    }
}

fn gone(before: usize, after: usize) -> f64 {
    if before == 0 { 0.0 } else { 1.0 - after as f64 / before as f64 }
}

/// Layers with parameters: the node, its main parameter's shape, its size.
fn measure(graph: &Graph) -> Vec<(&Node, Vec<usize>, Size)> {
    let mut counted: BTreeSet<ParamId> = BTreeSet::new();
    let mut layers = Vec::new();
    for node in &graph.nodes {
        let params = node.op.params();
        let Some(first) = params.first() else { continue };
        let shape = graph.param(*first).shape.clone();
        let channels = match node.op {
            Op::Conv(_) => shape[0],
            Op::Linear(_) => shape[1],
            _ => 0,
        };
        let new = params.iter().filter(|id| counted.insert(**id));
        let parameters = new.map(|id| graph.param(*id).data.len()).sum();
        layers.push((node, shape, Size { channels, parameters, macs: graph.macs(node) }));
    }
    layers
}

fn total(layers: &[(&Node, Vec<usize>, Size)]) -> Size {
    layers.iter().fold(Size::default(), |sum, (_, _, size)| Size {
        channels: sum.channels + size.channels,
        parameters: sum.parameters + size.parameters,
        macs: sum.macs + size.macs,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = |before: usize, after: usize| format!("{before} -> {after}");
        let mut rows = vec![["layer", "op", "weights", "parameters", "MACs"].map(String::from)];
        rows.extend(self.layers.iter().map(|layer| {
            let shapes = format!("{:?} -> {:?}", layer.shape_before, layer.shape_after);
            let parameters = change(layer.before.parameters, layer.after.parameters);
            [layer.name.clone(), layer.kind.into(), shapes, parameters, change(layer.before.macs, layer.after.macs)]
        }));
        let parameters = change(self.before.parameters, self.after.parameters);
        let channels = format!("{} channels", change(self.before.channels, self.after.channels));
        rows.push(["total".into(), String::new(), channels, parameters, change(self.before.macs, self.after.macs)]);
        let widths: [usize; 5] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
        for row in &rows {
            let line: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        write!(
            f,
            "gone: {:.1} % of the channels, {:.1} % of the parameters, {:.1} % of the MACs",
            100.0 * self.channels_gone(),
            100.0 * self.parameters_gone(),
            100.0 * self.macs_gone()
        )
    }
}
