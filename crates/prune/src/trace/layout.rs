//! Following channels through operations that move, join or drop dimensions.

use super::Tracer;
use crate::atoms::{Dim, Reason};
use niwaki_graph::Node;
use std::ops::Range;

impl Tracer<'_> {
    pub(super) fn concat(&mut self, node: &Node, axis: usize) -> Vec<Dim> {
        let operands: Vec<Vec<Dim>> = node.inputs.iter().map(|id| self.dims[id.0].clone()).collect();
        let mut output = operands[0].clone();
        for operand in &operands[1..] {
            for (dim, (held, other)) in output.iter_mut().zip(operand).enumerate() {
                if dim != axis {
                    *held = self.couple(held, other);
                }
            }
        }
        if operands.iter().any(|operand| matches!(operand[axis], Dim::Atoms(_))) {
            let sizes: Vec<usize> = node.inputs.iter().map(|id| self.graph.value(*id).shape[axis]).collect();
            let runs = operands.iter().zip(sizes).flat_map(|(operand, size)| self.atoms_of(&operand[axis], size));
            output[axis] = Dim::Atoms(runs.collect());
        }
        output
    }

    /// Part of the channels of a dimension, or the same channels at part of the positions.
    pub(super) fn slice(&mut self, node: usize, x: &[Dim], axis: usize, range: Range<usize>) -> Vec<Dim> {
        let mut output = x.to_vec();
        if let Dim::Atoms(atoms) = &x[axis] {
            let part = atoms[range].to_vec();
            self.slices.extend(part.iter().map(|atom| (*atom, node)));
            output[axis] = Dim::Atoms(part);
        }
        output
    }

    pub(super) fn global_pool(&mut self, name: &str, x: &[Dim], keep_dims: bool) -> Vec<Dim> {
        let reason = Reason::from(format!("lies along a dimension that `{name}` averages over"));
        for dim in &x[1..] {
            self.freeze(dim, &reason);
        }
        let rest = if keep_dims { x.len() - 1 } else { 0 };
        let position = Dim::Fixed(Reason::from(format!("is the average that `{name}` yields")));
        [x[0].clone()].into_iter().chain(std::iter::repeat_n(position, rest)).collect()
    }

    /// A border across channels adds constant channels; [`crate::shrink`] makes it narrower when they leave.
    pub(super) fn pad(&mut self, x: &[Dim], padding: &[[usize; 2]]) -> Vec<Dim> {
        let padded = x.iter().zip(padding).map(|(dim, [before, after])| match dim {
            Dim::Atoms(atoms) if before + after > 0 => {
                let mut border = self.atoms.fresh(*before);
                border.extend(atoms);
                border.extend(self.atoms.fresh(*after));
                Dim::Atoms(border)
            }
            other => other.clone(),
        });
        padded.collect()
    }
}
