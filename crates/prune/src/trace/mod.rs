//! Follows channels through the graph: which dimensions of values and axes of parameters hold the same ones.

mod layer;
mod layout;
mod reshape;
mod sequence;

use crate::{
    PruneError, Role,
    atoms::{Atom, Atoms, Classes, Dim, Reason},
};
use niwaki_graph::{Graph, Node, Op, ParamId, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// One axis of a parameter.
pub(crate) struct Axis {
    /// One atom per index.
    pub(crate) atoms: Vec<Atom>,
    /// What the axis does with them.
    pub(crate) role: Role,
    /// The nodes that use it so, as indices into [`Graph::nodes`].
    pub(crate) nodes: Vec<usize>,
}

/// Where every channel of a graph occurs.
pub(crate) struct Trace {
    /// Per value, its dimensions.
    pub(crate) dims: Vec<Vec<Dim>>,
    /// Axes of parameters that hold channels.
    pub(crate) axes: BTreeMap<(ParamId, usize), Axis>,
    /// Which atoms go together.
    pub(crate) classes: Classes,
    /// Per class, the slices that it passes, as indices into [`Graph::nodes`].
    pub(crate) slices: BTreeMap<Atom, BTreeSet<usize>>,
}

impl Trace {
    /// Validates a graph and follows its channels.
    pub(crate) fn new(graph: &Graph) -> Result<Self, PruneError> {
        graph.validate()?;
        let mut tracer = Tracer {
            graph,
            atoms: Atoms::default(),
            dims: vec![Vec::new(); graph.values.len()],
            axes: BTreeMap::new(),
            slices: Vec::new(),
        };
        for id in &graph.inputs {
            let reason = Reason::from(format!("holds the graph input `{}`", graph.value(*id).name));
            tracer.dims[id.0] = vec![Dim::Fixed(reason); graph.value(*id).shape.len()];
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            tracer.dims[node.output.0] = tracer.node(index, node);
        }
        for id in &graph.outputs {
            let reason = Reason::from(format!("reaches the graph output `{}`", graph.value(*id).name));
            for dim in tracer.dims[id.0].clone() {
                tracer.freeze(&dim, &reason);
            }
        }
        let classes = tracer.atoms.classes();
        let mut slices: BTreeMap<Atom, BTreeSet<usize>> = BTreeMap::new();
        for (atom, node) in tracer.slices {
            slices.entry(classes.of(atom)).or_default().insert(node);
        }
        Ok(Self { dims: tracer.dims, axes: tracer.axes, classes, slices })
    }

    /// Atoms of one dimension of a value; `None` where nothing can be removed.
    pub(crate) fn atoms(&self, value: ValueId, dim: usize) -> Option<&[Atom]> {
        match &self.dims[value.0][dim] {
            Dim::Fixed(_) => None,
            Dim::Atoms(atoms) => Some(atoms),
        }
    }
}

/// A trace in the making.
struct Tracer<'g> {
    graph: &'g Graph,
    atoms: Atoms,
    dims: Vec<Vec<Dim>>,
    axes: BTreeMap<(ParamId, usize), Axis>,
    /// What passes slices, and which.
    slices: Vec<(Atom, usize)>,
}

impl Tracer<'_> {
    /// The dimensions of the value that a node yields.
    fn node(&mut self, index: usize, node: &Node) -> Vec<Dim> {
        if let Op::Constant(data) = node.op {
            return self.constant(index, data);
        }
        let x = self.dims[node.inputs[0].0].clone();
        let shape = self.graph.value(node.inputs[0]).shape.clone();
        match &node.op {
            Op::Conv(conv) => self.conv(index, conv, &x, &shape),
            Op::Linear(linear) => self.linear(index, linear, &x, &shape),
            Op::BatchNorm(norm) => self.batch_norm(index, norm, &x, &shape),
            Op::Unary(_) => x,
            Op::Binary(_) => self.binary(node),
            Op::MatMul(product) => self.matmul(node, product),
            Op::LayerNorm(norm) => self.layer_norm(index, norm, &x, &shape),
            Op::Embedding(table) => self.embedding(index, *table, &x),
            Op::Constant(_) => unreachable!("handled above"),
            Op::Concat { axis } => self.concat(node, *axis),
            Op::Slice { axis, start, end } => self.slice(index, &x, *axis, *start..*end),
            Op::MaxPool(_) | Op::AvgPool(_) => self.windowed(&node.name, &x),
            Op::GlobalAvgPool { keep_dims } => self.global_pool(&node.name, &x, *keep_dims),
            Op::Reshape { shape: to } => self.reshape(&node.name, &x, &shape, to),
            Op::Transpose { perm } => perm.iter().map(|axis| x[*axis].clone()).collect(),
            Op::Pad { padding, .. } => self.pad(&x, padding),
            Op::Softmax { axis } => {
                // The sum runs over every channel: one that is masked would still count in it.
                self.freeze(&x[*axis], &Reason::from(format!("is normalised over by `{}`", node.name)));
                x
            }
        }
    }

    /// Makes a dimension unremovable.
    fn freeze(&mut self, dim: &Dim, reason: &Reason) {
        if let Dim::Atoms(atoms) = dim {
            self.atoms.freeze(atoms, reason);
        }
    }

    /// The atoms of a dimension; a fixed one gets frozen atoms.
    fn atoms_of(&mut self, dim: &Dim, size: usize) -> Vec<Atom> {
        match dim {
            Dim::Fixed(reason) => self.atoms.fresh_frozen(size, reason),
            Dim::Atoms(atoms) => atoms.clone(),
        }
    }

    /// Two dimensions that must stay equal, element by element.
    fn couple(&mut self, a: &Dim, b: &Dim) -> Dim {
        match (a, b) {
            (Dim::Atoms(left), Dim::Atoms(right)) => self.atoms.unite_all(left, right),
            (Dim::Fixed(reason), other) | (other, Dim::Fixed(reason)) => {
                self.freeze(other, reason);
                return Dim::Fixed(reason.clone());
            }
        }
        a.clone()
    }

    /// Whether anything of a dimension can still be removed.
    fn is_live(&mut self, dim: &Dim) -> bool {
        match dim {
            Dim::Fixed(_) => false,
            Dim::Atoms(atoms) => atoms.iter().any(|atom| self.atoms.frozen(*atom).is_none()),
        }
    }

    /// Notes that an axis of a parameter holds these channels. A parameter used before couples both uses.
    fn register(&mut self, param: ParamId, axis: usize, atoms: &[Atom], role: Role, node: usize) {
        let Some(known) = self.axes.get_mut(&(param, axis)) else {
            self.axes.insert((param, axis), Axis { atoms: atoms.to_vec(), role, nodes: vec![node] });
            return;
        };
        known.nodes.push(node);
        let conflict = known.role != role && (known.role == Role::Consumer || role == Role::Consumer);
        known.role = known.role.min(role);
        let earlier = known.atoms.clone();
        self.atoms.unite_all(&earlier, atoms);
        if conflict {
            let name = &self.graph.param(param).name;
            let reason = Reason::from(format!("shares `{name}` between layers that use its axis {axis} differently"));
            self.atoms.freeze(atoms, &reason);
        }
    }
}
