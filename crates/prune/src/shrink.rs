//! Carrying a decision out physically: parameters are cut, attributes patched, shapes inferred anew.

use crate::{
    Decision, PruneError,
    atoms::{Atom, Dim},
    groups::from_trace,
    trace::Trace,
};
use niwaki_graph::{Graph, Node, Op, Param, ValueId};

/// The graph without what the decision removes. Channels that stay keep their order.
///
/// Names and identifiers of nodes, values and parameters do not change, so the result can be compared with the
/// original, and pruned again. The graph given is not touched.
pub fn shrink(graph: &Graph, decision: &Decision) -> Result<Graph, PruneError> {
    let trace = Trace::new(graph)?;
    let mut cut = Cut { trace: &trace, gone: vec![false; trace.classes.len()] };
    for class in decision.classes(&from_trace(graph, &trace))? {
        cut.gone[class] = true;
    }
    let mut shrunk = graph.clone();
    for ((param, axis), held) in &trace.axes {
        let keep: Vec<bool> = held.atoms.iter().map(|atom| cut.keeps(*atom)).collect();
        keep_along(&mut shrunk.params[param.0], *axis, &keep);
    }
    for node in &mut shrunk.nodes {
        cut.patch(graph, node);
    }
    shrunk.infer_shapes()?;
    shrunk.validate()?;
    Ok(shrunk)
}

/// Which atoms leave.
struct Cut<'t> {
    trace: &'t Trace,
    /// Per class.
    gone: Vec<bool>,
}

impl Cut<'_> {
    fn keeps(&self, atom: Atom) -> bool {
        !self.gone[self.trace.classes.of(atom)]
    }

    fn count(&self, atoms: &[Atom]) -> usize {
        atoms.iter().filter(|atom| self.keeps(**atom)).count()
    }

    /// Size of a dimension after the cut.
    fn size(&self, graph: &Graph, value: ValueId, dim: usize) -> usize {
        match &self.trace.dims[value.0][dim] {
            Dim::Fixed(_) => graph.value(value).shape[dim],
            Dim::Atoms(atoms) => self.count(atoms),
        }
    }

    /// Attributes that repeat a number of channels do not follow the parameters by themselves.
    fn patch(&self, graph: &Graph, node: &mut Node) {
        match &mut node.op {
            Op::Conv(conv) if conv.groups > 1 && graph.param(conv.weight).shape[1] == 1 => {
                conv.groups = self.size(graph, node.inputs[0], 0);
            }
            Op::Reshape { shape } => {
                for (dim, size) in shape.iter_mut().enumerate() {
                    *size = self.size(graph, node.output, dim);
                }
            }
            Op::Slice { axis, start, end } => {
                if let Some(atoms) = self.trace.atoms(node.inputs[0], *axis) {
                    (*start, *end) = (self.count(&atoms[..*start]), self.count(&atoms[..*end]));
                }
            }
            Op::Pad { padding, .. } => {
                for (dim, [before, after]) in padding.iter_mut().enumerate() {
                    if let Some(atoms) = self.trace.atoms(node.output, dim) {
                        let (head, tail) = (&atoms[..*before], &atoms[atoms.len() - *after..]);
                        (*before, *after) = (self.count(head), self.count(tail));
                    }
                }
            }
            _ => {}
        }
    }
}

/// Drops the indices of an axis that are not kept.
fn keep_along(param: &mut Param, axis: usize, keep: &[bool]) {
    if keep.iter().all(|keep| *keep) {
        return;
    }
    let inner: usize = param.shape[axis + 1..].iter().product();
    let runs = param.data.chunks(inner).zip(keep.iter().cycle());
    param.data = runs.filter(|(_, keep)| **keep).flat_map(|(run, _)| run.iter().copied()).collect();
    param.shape[axis] = keep.iter().filter(|keep| **keep).count();
}
