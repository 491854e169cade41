//! Constants of a recording: parameters, other tensors that were there before the forward pass, and views of both.

use burn::module::ParamId as ModuleParam;
use burn::tensor::{Slice, TensorId};
use burn_ir::TensorIr;
use niwaki_graph::{Graph, ParamId};
use std::collections::HashMap;

/// A tensor that does not depend on the inputs.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    /// Path in the module; `None` for a plain tensor field or a tensor made in the forward pass.
    pub(crate) name: Option<String>,
    origin: Origin,
    /// Permutations that were applied to the origin, in order.
    layout: Vec<Vec<usize>>,
    /// Shape of the data.
    pub(crate) shape: Vec<usize>,
    /// Elements in C order.
    pub(crate) data: Vec<f32>,
}

/// What two constants have in common that hold the same data. Tied weights have two tensors but one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Parameter(ModuleParam),
    Tensor(TensorId),
}

impl Constant {
    pub(crate) fn new(id: TensorId, name: Option<&(String, ModuleParam)>, shape: Vec<usize>, data: Vec<f32>) -> Self {
        let origin = name.map_or(Origin::Tensor(id), |(_, param)| Origin::Parameter(*param));
        Self { name: name.map(|(name, _)| name.clone()), origin, layout: Vec::new(), shape, data }
    }

    /// The same elements under another shape.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), ..self.clone() }
    }

    /// Dimensions in another order.
    pub(crate) fn permuted(&self, axes: &[usize]) -> Self {
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        let shape: Vec<usize> = axes.iter().map(|axis| self.shape[*axis]).collect();
        let mut index = vec![0; shape.len()];
        let data = (0..self.data.len())
            .map(|_| {
                let place: usize = index.iter().zip(axes).map(|(i, axis)| i * strides[*axis]).sum();
                for axis in (0..shape.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < shape[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
                self.data[place]
            })
            .collect();
        // A reshape between two permutations matters too, hence the shape beside each.
        let layout = self.layout.iter().cloned().chain([self.shape.clone(), axes.to_vec()]).collect();
        Self { shape, data, layout, ..self.clone() }
    }

    /// A part of it, as a constant of its own; all of it stays what it is. `None` for a part of a parameter, which is
    /// trained whole.
    pub(crate) fn sliced(&self, ranges: &[Slice], out: &TensorIr) -> Option<Self> {
        if self.shape[..] == out.shape[..] && ranges.iter().all(|range| range.step > 0) {
            return Some(self.clone());
        }
        let starts: Option<Vec<usize>> = ranges.iter().map(|range| usize::try_from(range.start).ok()).collect();
        let starts = starts.filter(|_| self.name.is_none() && ranges.iter().all(|range| range.step == 1))?;
        let start = |axis: usize| starts.get(axis).copied().unwrap_or(0);
        let count = out.shape.iter().product();
        let element = |mut place: usize| {
            let (mut at, mut step) = (0, 1);
            for axis in (0..self.shape.len()).rev() {
                at += (place % out.shape[axis] + start(axis)) * step;
                place /= out.shape[axis];
                step *= self.shape[axis];
            }
            self.data[at]
        };
        Some(Self::new(out.id, None, out.shape.to_vec(), (0..count).map(element).collect()))
    }

    /// The one value that all elements have.
    pub(crate) fn uniform(&self) -> Option<f32> {
        let first = *self.data.first()?;
        self.data.iter().all(|x| *x == first).then_some(first)
    }

    /// How a message calls it.
    pub(crate) fn describe(&self) -> String {
        match &self.name {
            Some(name) => format!("parameter `{name}` {:?}", self.shape),
            None => format!("a constant tensor {:?}", self.shape),
        }
    }
}

/// Origin, layout and shape: constants that agree in these are one parameter.
type Key = (Origin, Vec<Vec<usize>>, Vec<usize>);

/// Which constants are parameters of the graph already, so that a module called twice holds its weights once.
#[derive(Default)]
pub(crate) struct Interned {
    known: HashMap<Key, ParamId>,
    unnamed: usize,
}

impl Interned {
    /// The graph's parameter for a constant, under this shape.
    pub(crate) fn param(&mut self, graph: &mut Graph, constant: &Constant, shape: &[usize]) -> ParamId {
        let key = (constant.origin, constant.layout.clone(), shape.to_vec());
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let name = constant.name.clone().unwrap_or_else(|| {
            self.unnamed += 1;
            format!("constant_{}", self.unnamed - 1)
        });
        let name = crate::names::unique(name, |name| graph.params.iter().any(|param| param.name == name));
        let id = graph.add_param(name, shape.to_vec(), constant.data.clone());
        self.known.insert(key, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutation_moves_every_element() {
        let data: Vec<f32> = (0..24).map(|x| x as f32).collect();
        let constant = Constant::new(TensorId::new(0), None, vec![2, 3, 4], data);
        let permuted = constant.permuted(&[2, 0, 1]);
        assert_eq!(permuted.shape, [4, 2, 3]);
        // Element [i, j, k] of the result is element [j, k, i] of the original.
        for (place, (i, j, k)) in [(0, (0, 0, 0)), (6, (1, 0, 0)), (23, (3, 1, 2)), (9, (1, 1, 0))] {
            assert_eq!(permuted.data[place], (j * 12 + k * 4 + i) as f32);
        }
        assert_eq!(permuted.permuted(&[1, 2, 0]).data, constant.data);
    }
}
