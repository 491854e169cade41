//! The host-side graph that every stage between capture and planning reads and rewrites.
//!
//! A [`Graph`] is a list of [`Node`]s in execution order. Each node applies one typed [`Op`] to values and yields
//! exactly one value. Weights are [`Param`]s, named after the path they had in the user's module (`conv1.weight`).
//!
//! Conventions:
//! - Value shapes are **per sample**: the batch dimension is not part of them. An image is `[channels, height, width]`
//!   (Burn's NCHW without N), a sequence `[channels, length]`, a feature vector `[features]`. Axis attributes count
//!   in these per-sample dimensions.
//! - Parameters keep Burn's layouts: convolution `[out, in / groups, kernel...]`, linear `[in, out]`.
//! - All data are `f32`.

mod fold;
mod io;
mod op;
mod shape;
mod text;

pub use fold::fold_batch_norm;
pub use io::IoError;
pub use op::{BatchNorm, Binary, Conv, LayerNorm, Linear, MatMul, Op, Pool, Unary};
pub use shape::ShapeError;

use serde::{Deserialize, Serialize};

/// Index of a [`Value`] in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueId(pub usize);

/// Index of a [`Param`] in [`Graph::params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParamId(pub usize);

/// An activation: what a node yields, or an input of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// Unique name: the name of the node that yields it, or `input0`, `input1`, ...
    pub name: String,
    /// Per-sample shape, without the batch dimension.
    pub shape: Vec<usize>,
}

/// A weight or other constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Unique name: the path in the user's module, such as `conv1.weight`.
    pub name: String,
    /// Shape in Burn's layout.
    pub shape: Vec<usize>,
    /// Elements in C order.
    pub data: Vec<f32>,
}

/// One operation applied to values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name: the module path of its parameters (`conv1`), or the operation's kind and a number (`add_2`).
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<ValueId>,
    /// The value it yields.
    pub output: ValueId,
}

/// A network: values, parameters, and nodes in execution order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Activations, inputs included.
    pub values: Vec<Value>,
    /// Weights and other constants.
    pub params: Vec<Param>,
    /// Operations in execution order.
    pub nodes: Vec<Node>,
    /// Values that the caller provides.
    pub inputs: Vec<ValueId>,
    /// Values that the caller reads.
    pub outputs: Vec<ValueId>,
}

/// A graph that breaks its own rules.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum GraphError {
    /// A node's operands do not fit its operation.
    #[error("node `{node}`: {source}")]
    Shape {
        /// The node's name.
        node: String,
        /// What does not fit.
        source: ShapeError,
    },
    /// A node reads a value before any node yields it.
    #[error("node `{node}` reads `{value}` before it is computed")]
    Order {
        /// The node's name.
        node: String,
        /// The value's name.
        value: String,
    },
    /// An identifier is outside its table, or a value is yielded twice.
    #[error("node `{node}` refers to something that is not in the graph, or yields a value twice")]
    Reference {
        /// The node's name.
        node: String,
    },
    /// A recorded shape differs from what the operation yields.
    #[error("value `{value}` is recorded as {recorded:?}, but its operation yields {inferred:?}")]
    Recorded {
        /// The value's name.
        value: String,
        /// The shape in [`Value::shape`].
        recorded: Vec<usize>,
        /// The shape that the operation yields.
        inferred: Vec<usize>,
    },
}

impl Graph {
    /// The value behind an identifier.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The parameter behind an identifier.
    pub fn param(&self, id: ParamId) -> &Param {
        &self.params[id.0]
    }

    /// Adds a value and returns its identifier.
    pub fn add_value(&mut self, name: impl Into<String>, shape: Vec<usize>) -> ValueId {
        self.values.push(Value { name: name.into(), shape });
        ValueId(self.values.len() - 1)
    }

    /// Adds an input of this per-sample shape.
    pub fn add_input(&mut self, name: impl Into<String>, shape: Vec<usize>) -> ValueId {
        let id = self.add_value(name, shape);
        self.inputs.push(id);
        id
    }

    /// Adds a parameter and returns its identifier.
    ///
    /// # Panics
    /// If the data's length is not the product of the shape.
    pub fn add_param(&mut self, name: impl Into<String>, shape: Vec<usize>, data: Vec<f32>) -> ParamId {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "parameter data do not fill their shape");
        self.params.push(Param { name: name.into(), shape, data });
        ParamId(self.params.len() - 1)
    }

    /// Appends a node, infers its output shape and returns the value it yields.
    pub fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        let name = name.into();
        let shapes: Vec<&[usize]> = inputs.iter().map(|id| self.value(*id).shape.as_slice()).collect();
        let shape =
            op.infer(&shapes, &self.params).map_err(|source| GraphError::Shape { node: name.clone(), source })?;
        let output = self.add_value(name.clone(), shape);
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), output });
        Ok(output)
    }

    /// Nodes that read a value, as indices into [`Graph::nodes`].
    pub fn consumers(&self, value: ValueId) -> Vec<usize> {
        let reads = |node: &Node| node.inputs.contains(&value);
        self.nodes.iter().enumerate().filter(|(_, node)| reads(node)).map(|(index, _)| index).collect()
    }

    /// Index of the node that yields a value; `None` for an input.
    pub fn producer(&self, value: ValueId) -> Option<usize> {
        self.nodes.iter().position(|node| node.output == value)
    }

    /// Recomputes every value's shape from the inputs and parameters: to be called after parameters changed shape.
    pub fn infer_shapes(&mut self) -> Result<(), GraphError> {
        for index in 0..self.nodes.len() {
            let shape = self.inferred(index)?;
            let output = self.nodes[index].output;
            self.values[output.0].shape = shape;
        }
        Ok(())
    }

    /// Checks identifiers, execution order and shapes.
    pub fn validate(&self) -> Result<(), GraphError> {
        let mut known = vec![false; self.values.len()];
        for id in &self.inputs {
            *known.get_mut(id.0).ok_or(GraphError::Reference { node: "inputs".into() })? = true;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let reference = || GraphError::Reference { node: node.name.clone() };
            for id in &node.inputs {
                match known.get(id.0) {
                    Some(true) => {}
                    Some(false) => {
                        let value = self.value(*id).name.clone();
                        return Err(GraphError::Order { node: node.name.clone(), value });
                    }
                    None => return Err(reference()),
                }
            }
            if node.op.params().iter().any(|id| id.0 >= self.params.len()) {
                return Err(reference());
            }
            match known.get_mut(node.output.0) {
                Some(slot @ false) => *slot = true,
                _ => return Err(reference()),
            }
            let inferred = self.inferred(index)?;
            let value = self.value(node.output);
            if value.shape != inferred {
                let (value, recorded) = (value.name.clone(), value.shape.clone());
                return Err(GraphError::Recorded { value, recorded, inferred });
            }
        }
        match self.outputs.iter().find(|id| !known.get(id.0).copied().unwrap_or(false)) {
            Some(_) => Err(GraphError::Reference { node: "outputs".into() }),
            None => Ok(()),
        }
    }

    fn inferred(&self, index: usize) -> Result<Vec<usize>, GraphError> {
        let node = &self.nodes[index];
        let shapes: Vec<&[usize]> = node.inputs.iter().map(|id| self.value(*id).shape.as_slice()).collect();
        let wrap = |source| GraphError::Shape { node: node.name.clone(), source };
        node.op.infer(&shapes, &self.params).map_err(wrap)
    }

    /// Number of elements in parameters that a node uses.
    pub fn parameter_count(&self) -> usize {
        let mut used = vec![false; self.params.len()];
        for id in self.nodes.iter().flat_map(|node| node.op.params()) {
            used[id.0] = true;
        }
        self.params.iter().zip(used).filter(|(_, used)| *used).map(|(param, _)| param.data.len()).sum()
    }

    /// Multiply-accumulates of one node for one sample: convolutions, linear layers and products of values; others count
    /// as zero.
    pub fn macs(&self, node: &Node) -> usize {
        let outputs: usize = self.value(node.output).shape.iter().product();
        match &node.op {
            Op::Conv(conv) => outputs * self.param(conv.weight).shape[1..].iter().product::<usize>(),
            Op::Linear(linear) => outputs * self.param(linear.weight).shape[0],
            Op::MatMul(_) => outputs * self.value(node.inputs[0]).shape.last().copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Multiply-accumulates of one inference.
    pub fn total_macs(&self) -> usize {
        self.nodes.iter().map(|node| self.macs(node)).sum()
    }

    /// Drops parameters and values that nothing refers to, and renumbers the rest in order of first use.
    pub fn compact(&mut self) {
        let mut values: Vec<Option<usize>> = vec![None; self.values.len()];
        let mut params: Vec<Option<usize>> = vec![None; self.params.len()];
        let (mut kept_values, mut kept_params) = (Vec::new(), Vec::new());
        let keep_value = |id: &mut ValueId, values: &mut Vec<Option<usize>>, kept: &mut Vec<Value>, from: &[Value]| {
            id.0 = *values[id.0].get_or_insert_with(|| {
                kept.push(from[id.0].clone());
                kept.len() - 1
            });
        };
        for id in &mut self.inputs {
            keep_value(id, &mut values, &mut kept_values, &self.values);
        }
        for node in &mut self.nodes {
            for id in node.inputs.iter_mut().chain([&mut node.output]) {
                keep_value(id, &mut values, &mut kept_values, &self.values);
            }
            for id in node.op.params_mut() {
                id.0 = *params[id.0].get_or_insert_with(|| {
                    kept_params.push(self.params[id.0].clone());
                    kept_params.len() - 1
                });
            }
        }
        for id in &mut self.outputs {
            keep_value(id, &mut values, &mut kept_values, &self.values);
        }
        self.values = kept_values;
        self.params = kept_params;
    }
}
