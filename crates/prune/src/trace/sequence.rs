//! Following channels through what sequences of tokens need: products of values, layer normalisation, embeddings, constants,
//! stretched operands.

use super::Tracer;
use crate::{
    Role,
    atoms::{Dim, Reason},
};
use niwaki_graph::{LayerNorm, MatMul, Node, ParamId};

impl Tracer<'_> {
    /// Matrices (heads) are the same in both operands and the output; rows and columns go on; what is summed over stays.
    pub(super) fn matmul(&mut self, node: &Node, product: &MatMul) -> Vec<Dim> {
        let [a, b] = [0, 1].map(|at| self.dims[node.inputs[at].0].clone());
        let (rows, last) = (a.len() - 2, a.len() - 1);
        let (columns, terms) = if product.transposed { (rows, last) } else { (last, rows) };
        // Masks zero what reads a channel, and no parameter stands between a channel and this sum.
        let summed = Reason::from(format!("is summed over by `{}`, a product of two values", node.name));
        self.freeze(&a[last], &summed);
        self.freeze(&b[terms], &summed);
        let mut output: Vec<Dim> = a[..rows].iter().zip(&b[..rows]).map(|(a, b)| self.couple(a, b)).collect();
        output.extend([a[rows].clone(), b[columns].clone()]);
        output
    }

    /// Mean and variance run over every element: without one, the others would change.
    pub(super) fn layer_norm(&mut self, node: usize, norm: &LayerNorm, x: &[Dim], shape: &[usize]) -> Vec<Dim> {
        let last = x.len() - 1;
        let reason = Reason::from(format!("is normalised over by `{}`", self.graph.nodes[node].name));
        self.freeze(&x[last], &reason);
        let channels = self.atoms_of(&x[last], shape[last]);
        for param in [Some(norm.gamma), norm.beta] {
            self.vector(param, &channels, Role::Channelwise, node);
        }
        x[..last].iter().cloned().chain([Dim::Atoms(channels)]).collect()
    }

    pub(super) fn embedding(&mut self, node: usize, table: ParamId, x: &[Dim]) -> Vec<Dim> {
        let columns = self.produce(table, 1, node);
        x.iter().cloned().chain([Dim::Atoms(columns)]).collect()
    }

    /// A parameter's elements go along with the channels that they are added to or multiplied with.
    pub(super) fn constant(&mut self, node: usize, data: ParamId) -> Vec<Dim> {
        let graph = self.graph;
        let sizes = graph.param(data).shape.iter().enumerate();
        let dims = sizes.map(|(axis, size)| {
            let atoms = match self.axes.get(&(data, axis)) {
                Some(known) => known.atoms.clone(),
                None => self.atoms.fresh(*size),
            };
            self.register(data, axis, &atoms, Role::Channelwise, node);
            Dim::Atoms(atoms)
        });
        dims.collect()
    }

    /// Element-wise functions of two values: dimensions of one size stay equal, one of size 1 is stretched.
    pub(super) fn binary(&mut self, node: &Node) -> Vec<Dim> {
        let [a, b] = [0, 1].map(|at| self.dims[node.inputs[at].0].clone());
        let [sizes, others] = [0, 1].map(|at| self.graph.value(node.inputs[at]).shape.clone());
        let stretched = Reason::from(format!("is stretched by `{}`", node.name));
        let pairs = a.iter().zip(&b).zip(sizes.iter().zip(&others));
        let dims = pairs.map(|((a, b), (size, other))| match (size, other) {
            (size, other) if size == other => self.couple(a, b),
            (1, _) => {
                self.freeze(a, &stretched);
                b.clone()
            }
            _ => {
                self.freeze(b, &stretched);
                a.clone()
            }
        });
        dims.collect()
    }
}
