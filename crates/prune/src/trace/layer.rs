//! Following channels through layers with parameters: convolution, linear, batch normalisation.

use super::Tracer;
use crate::{
    Role,
    atoms::{Atom, Dim, Reason},
};
use niwaki_graph::{BatchNorm, Conv, Linear, ParamId};

impl Tracer<'_> {
    pub(super) fn conv(&mut self, node: usize, conv: &Conv, x: &[Dim], shape: &[usize]) -> Vec<Dim> {
        let graph = self.graph;
        let name = &graph.nodes[node].name;
        let weight = &graph.param(conv.weight).shape;
        let spatial = self.windowed(name, x).split_off(1);
        let input = self.atoms_of(&x[0], shape[0]);
        let output = if conv.groups > 1 && weight[1] == 1 {
            // Depthwise: output channel i reads input channel i / multiplier only, so they are one.
            let multiplier = weight[0] / conv.groups;
            let output = input.iter().flat_map(|atom| std::iter::repeat_n(*atom, multiplier)).collect::<Vec<_>>();
            self.register(conv.weight, 0, &output, Role::Channelwise, node);
            output
        } else {
            // Groups share the weight's second axis, and must stay equally wide: the i-th channels of all groups are one.
            self.fold_groups(&input, conv.groups);
            self.register(conv.weight, 1, &input[..weight[1]], Role::Consumer, node);
            let output = self.produce(conv.weight, 0, node);
            self.fold_groups(&output, conv.groups);
            output
        };
        let role = self.axes[&(conv.weight, 0)].role;
        self.vector(conv.bias, &output, role, node);
        [Dim::Atoms(output)].into_iter().chain(spatial).collect()
    }

    pub(super) fn linear(&mut self, node: usize, linear: &Linear, x: &[Dim], shape: &[usize]) -> Vec<Dim> {
        let last = x.len() - 1;
        let input = self.atoms_of(&x[last], shape[last]);
        self.register(linear.weight, 0, &input, Role::Consumer, node);
        let output = self.produce(linear.weight, 1, node);
        self.vector(linear.bias, &output, Role::Producer, node);
        x[..last].iter().cloned().chain([Dim::Atoms(output)]).collect()
    }

    pub(super) fn batch_norm(&mut self, node: usize, norm: &BatchNorm, x: &[Dim], shape: &[usize]) -> Vec<Dim> {
        let channels = self.atoms_of(&x[0], shape[0]);
        for param in [norm.gamma, norm.beta, norm.mean, norm.var] {
            self.vector(Some(param), &channels, Role::Channelwise, node);
        }
        [Dim::Atoms(channels)].into_iter().chain(x[1..].iter().cloned()).collect()
    }

    /// Dimensions after windows slid over all but the first: positions of the new grid.
    pub(super) fn windowed(&mut self, name: &str, x: &[Dim]) -> Vec<Dim> {
        let slid = Reason::from(format!("lies along a dimension that the windows of `{name}` slide over"));
        for dim in &x[1..] {
            self.freeze(dim, &slid);
        }
        let position = Dim::Fixed(Reason::from(format!("is a spatial position of `{name}`")));
        [x[0].clone()].into_iter().chain(std::iter::repeat_n(position, x.len() - 1)).collect()
    }

    /// The channels that a weight yields: new ones, or those of its earlier use.
    pub(super) fn produce(&mut self, weight: ParamId, axis: usize, node: usize) -> Vec<Atom> {
        let atoms = match self.axes.get(&(weight, axis)) {
            Some(known) => known.atoms.clone(),
            None => self.atoms.fresh(self.graph.param(weight).shape[axis]),
        };
        self.register(weight, axis, &atoms, Role::Producer, node);
        atoms
    }

    /// A parameter with one element per channel, whatever dimensions of size 1 surround it.
    pub(super) fn vector(&mut self, param: Option<ParamId>, channels: &[Atom], role: Role, node: usize) {
        if let Some(param) = param {
            let axis = self.graph.param(param).shape.iter().position(|size| *size == channels.len());
            self.register(param, axis.unwrap_or(0), channels, role, node);
        }
    }

    /// Unites the channels at the same place in each of `groups` equal runs.
    fn fold_groups(&mut self, channels: &[Atom], groups: usize) {
        let (first, rest) = channels.split_at(channels.len() / groups);
        for run in rest.chunks(first.len()) {
            self.atoms.unite_all(first, run);
        }
    }
}
