//! The text form of a graph: one line per input, node and output, for snapshots and for people.

use crate::{Graph, Op, ParamId};
use std::fmt;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for id in &self.inputs {
            let value = self.value(*id);
            writeln!(f, "input {} {:?}", value.name, value.shape)?;
        }
        for node in &self.nodes {
            let inputs: Vec<&str> = node.inputs.iter().map(|id| self.value(*id).name.as_str()).collect();
            let shape = &self.value(node.output).shape;
            writeln!(
                f,
                "{} = {}({}){} {shape:?}",
                node.name,
                node.op.kind(),
                inputs.join(", "),
                self.attributes(&node.op)
            )?;
        }
        for id in &self.outputs {
            writeln!(f, "output {}", self.value(*id).name)?;
        }
        Ok(())
    }
}

impl Graph {
    fn attributes(&self, op: &Op) -> String {
        let param = |id: ParamId| format!("{}{:?}", self.param(id).name, self.param(id).shape);
        match op {
            Op::Conv(conv) => {
                let bias = conv.bias.map(|id| format!(" bias={}", param(id))).unwrap_or_default();
                format!(
                    " weight={}{bias} stride={:?} padding={:?} dilation={:?} groups={}",
                    param(conv.weight),
                    conv.stride,
                    conv.padding,
                    conv.dilation,
                    conv.groups
                )
            }
            Op::Linear(linear) => {
                let bias = linear.bias.map(|id| format!(" bias={}", param(id))).unwrap_or_default();
                format!(" weight={}{bias}", param(linear.weight))
            }
            Op::BatchNorm(norm) => format!(" gamma={} epsilon={}", param(norm.gamma), norm.epsilon),
            Op::Unary(unary) => format!(" {unary:?}"),
            Op::Concat { axis } | Op::Softmax { axis } => format!(" axis={axis}"),
            Op::Slice { axis, start, end } => format!(" axis={axis} indices={start}..{end}"),
            Op::MaxPool(pool) => {
                format!(" kernel={:?} stride={:?} padding={:?}", pool.kernel, pool.stride, pool.padding)
            }
            Op::AvgPool(pool) => format!(
                " kernel={:?} stride={:?} padding={:?} count_include_pad={}",
                pool.kernel, pool.stride, pool.padding, pool.count_include_pad
            ),
            Op::GlobalAvgPool { keep_dims } => format!(" keep_dims={keep_dims}"),
            Op::Transpose { perm } => format!(" perm={perm:?}"),
            Op::Pad { padding, value } => format!(" padding={padding:?} value={value}"),
            Op::LayerNorm(norm) => {
                let beta = norm.beta.map(|id| format!(" beta={}", param(id))).unwrap_or_default();
                format!(" gamma={}{beta} epsilon={}", param(norm.gamma), norm.epsilon)
            }
            Op::MatMul(product) => format!(" transposed={} scale={}", product.transposed, product.scale),
            Op::Embedding(table) => format!(" table={}", param(*table)),
            Op::Constant(data) => format!(" data={}", param(*data)),
            Op::Binary(_) | Op::Reshape { .. } => String::new(),
        }
    }
}
