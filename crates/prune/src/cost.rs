//! What the removal of one class of atoms frees: parameters and multiply-accumulates.

use crate::{atoms::Atom, trace::Trace};
use niwaki_graph::{Graph, Op};
use std::collections::BTreeMap;

/// Elements of parameters and multiply-accumulates.
#[derive(Clone, Copy, Default)]
pub(crate) struct Freed {
    pub(crate) parameters: usize,
    pub(crate) macs: usize,
}

/// A size that may shrink: one factor of a count of elements or multiply-accumulates.
struct Factor<'t> {
    size: usize,
    atoms: Option<&'t [Atom]>,
}

/// What each class frees when it alone is removed. Classes that occur nowhere are missing.
pub(crate) fn freed(graph: &Graph, trace: &Trace) -> BTreeMap<Atom, Freed> {
    let mut freed: BTreeMap<Atom, Freed> = BTreeMap::new();
    let axis = |param, axis| trace.axes.get(&(param, axis)).map(|axis| axis.atoms.as_slice());
    for (index, param) in graph.params.iter().enumerate() {
        let id = niwaki_graph::ParamId(index);
        let factors = param.shape.iter().enumerate().map(|(dim, size)| Factor { size: *size, atoms: axis(id, dim) });
        for (class, count) in losses(trace, &factors.collect::<Vec<_>>()) {
            freed.entry(class).or_default().parameters += count;
        }
    }
    for node in &graph.nodes {
        let shape = &graph.value(node.output).shape;
        let mut factors: Vec<Factor> = shape
            .iter()
            .enumerate()
            .map(|(dim, size)| Factor { size: *size, atoms: trace.atoms(node.output, dim) })
            .collect();
        let (weight, inputs) = match &node.op {
            Op::Conv(conv) => (conv.weight, 1),
            Op::Linear(linear) => (linear.weight, 0),
            Op::MatMul(_) => {
                let (operand, terms) = (node.inputs[0], shape.len() - 1);
                let size = graph.value(operand).shape[terms];
                factors.push(Factor { size, atoms: trace.atoms(operand, terms) });
                add_macs(&mut freed, losses(trace, &factors));
                continue;
            }
            _ => continue,
        };
        factors.push(Factor { size: graph.param(weight).shape[inputs], atoms: axis(weight, inputs) });
        factors.push(Factor { size: graph.param(weight).shape[2..].iter().product(), atoms: None });
        add_macs(&mut freed, losses(trace, &factors));
    }
    freed
}

fn add_macs(freed: &mut BTreeMap<Atom, Freed>, losses: BTreeMap<Atom, usize>) {
    for (class, count) in losses {
        freed.entry(class).or_default().macs += count;
    }
}

/// By how much the product of the factors falls when a class leaves all of them.
fn losses(trace: &Trace, factors: &[Factor]) -> BTreeMap<Atom, usize> {
    let mut left: BTreeMap<Atom, Vec<usize>> = BTreeMap::new();
    let sizes: Vec<usize> = factors.iter().map(|factor| factor.size).collect();
    for (place, factor) in factors.iter().enumerate() {
        for atom in factor.atoms.into_iter().flatten() {
            left.entry(trace.classes.of(*atom)).or_insert_with(|| sizes.clone())[place] -= 1;
        }
    }
    let total: usize = sizes.iter().product();
    left.into_iter().map(|(class, left)| (class, total - left.iter().product::<usize>())).collect()
}
