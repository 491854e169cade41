//! Shape inference: what shape an operation yields, and why it cannot.

use crate::{Binary, Conv, MatMul, Op, Param, Pool};

/// Operands that do not fit an operation.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{op}: {reason}")]
pub struct ShapeError {
    op: &'static str,
    reason: String,
}

impl Op {
    /// The per-sample shape that this operation yields for inputs of these per-sample shapes.
    pub fn infer(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, ShapeError> {
        let fail = |reason: String| ShapeError { op: self.kind(), reason };
        let arity = match self {
            Op::Binary(_) | Op::MatMul(_) => 2,
            Op::Constant(_) => 0,
            Op::Concat { .. } => inputs.len().max(1),
            _ => 1,
        };
        if inputs.len() != arity {
            return Err(fail(format!("takes {arity} operands, got {}", inputs.len())));
        }
        if let Op::Constant(data) = self {
            return Ok(params[data.0].shape.clone());
        }
        let x = inputs[0];
        let result = match self {
            Op::Conv(conv) => conv_shape(conv, x, params),
            Op::Linear(linear) => linear_shape(&params[linear.weight.0].shape, x),
            Op::BatchNorm(norm) => {
                let channels = params[norm.gamma.0].data.len();
                let fits = x.first() == Some(&channels)
                    && [norm.beta, norm.mean, norm.var].iter().all(|id| params[id.0].data.len() == channels);
                if fits { Ok(x.to_vec()) } else { Err(format!("{channels} channels of statistics, input {x:?}")) }
            }
            Op::Unary(_) => Ok(x.to_vec()),
            Op::Binary(Binary::Add | Binary::Sub | Binary::Mul) => broadcast(x, inputs[1]),
            Op::Concat { axis } => concat_shape(*axis, inputs),
            Op::Slice { axis, start, end } if start < end && x.get(*axis).is_some_and(|size| end <= size) => {
                let mut shape = x.to_vec();
                shape[*axis] = end - start;
                Ok(shape)
            }
            Op::Slice { axis, start, end } => Err(format!("indices {start} to {end} of axis {axis}, input {x:?}")),
            Op::MaxPool(pool) | Op::AvgPool(pool) => pool_shape(pool, x),
            Op::GlobalAvgPool { keep_dims } if !x.is_empty() => {
                let rest = if *keep_dims { x.len() - 1 } else { 0 };
                Ok([x[0]].into_iter().chain(std::iter::repeat_n(1, rest)).collect())
            }
            Op::GlobalAvgPool { .. } => Err("input has no channels".into()),
            Op::Reshape { shape } => match shape.iter().product::<usize>() == x.iter().product::<usize>() {
                true => Ok(shape.clone()),
                false => Err(format!("{x:?} does not fill {shape:?}")),
            },
            Op::Transpose { perm } => {
                let mut sorted = perm.clone();
                sorted.sort_unstable();
                match sorted.iter().copied().eq(0..x.len()) {
                    true => Ok(perm.iter().map(|axis| x[*axis]).collect()),
                    false => Err(format!("{perm:?} is no permutation of the dimensions of {x:?}")),
                }
            }
            Op::Pad { padding, .. } if padding.len() == x.len() => {
                Ok(x.iter().zip(padding).map(|(size, [before, after])| before + size + after).collect())
            }
            Op::Pad { padding, .. } => Err(format!("{} pairs for input {x:?}", padding.len())),
            Op::Softmax { axis } if *axis < x.len() => Ok(x.to_vec()),
            Op::Softmax { axis } => Err(format!("axis {axis} of input {x:?}")),
            Op::LayerNorm(norm) => {
                let size = params[norm.gamma.0].data.len();
                let fits = x.last() == Some(&size) && norm.beta.is_none_or(|id| params[id.0].data.len() == size);
                if fits { Ok(x.to_vec()) } else { Err(format!("{size} factors, input {x:?}")) }
            }
            Op::MatMul(product) => matmul_shape(product, x, inputs[1]),
            Op::Embedding(table) => match params[table.0].shape.as_slice() {
                [_, columns] => Ok(x.iter().copied().chain([*columns]).collect()),
                shape => Err(format!("table {shape:?}")),
            },
            Op::Constant(_) => unreachable!("handled above"),
        };
        result.map_err(fail)
    }
}

/// Two shapes of one rank, dimensions of size 1 stretched to those of the other.
fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let fits = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || *a == 1 || *b == 1);
    match fits {
        true => Ok(a.iter().zip(b).map(|(a, b)| *a.max(b)).collect()),
        false => Err(format!("operands differ in shape: {a:?} and {b:?}")),
    }
}

fn matmul_shape(product: &MatMul, a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let fail =
        || format!("operands {a:?} and {b:?}, the second {}transposed", if product.transposed { "" } else { "not " });
    let ((outer, [m, k]), (other, [first, second])) =
        a.split_last_chunk().zip(b.split_last_chunk()).ok_or_else(fail)?;
    let (inner, n) = if product.transposed { (second, first) } else { (first, second) };
    match outer == other && k == inner {
        true => Ok(outer.iter().chain([m, n]).copied().collect()),
        false => Err(fail()),
    }
}

/// Output length of one spatial dimension; `None` when the window does not fit.
fn windowed(size: usize, [before, after]: [usize; 2], extent: usize, stride: usize) -> Option<usize> {
    Some((size + before + after).checked_sub(extent)? / stride.max(1) + 1)
}

fn conv_shape(conv: &Conv, x: &[usize], params: &[Param]) -> Result<Vec<usize>, String> {
    let weight = &params[conv.weight.0].shape;
    let spatial = conv.stride.len();
    let ranks = [x.len(), weight.len() - 1, conv.padding.len() + 1, conv.dilation.len() + 1];
    if ranks != [spatial + 1; 4] {
        return Err(format!("weight {weight:?} with {spatial} strides on input {x:?}"));
    }
    if conv.groups == 0 || x[0] != weight[1] * conv.groups || !weight[0].is_multiple_of(conv.groups) {
        return Err(format!("weight {weight:?} in {} groups on input {x:?}", conv.groups));
    }
    if let Some(bias) = conv.bias.filter(|bias| params[bias.0].data.len() != weight[0]) {
        return Err(format!("weight {weight:?} with bias {:?}", params[bias.0].shape));
    }
    let mut shape = vec![weight[0]];
    for axis in 0..spatial {
        let extent = conv.dilation[axis] * (weight[axis + 2] - 1) + 1;
        let size = windowed(x[axis + 1], conv.padding[axis], extent, conv.stride[axis]);
        shape.push(size.ok_or_else(|| format!("kernel {:?} is larger than padded input {x:?}", &weight[2..]))?);
    }
    Ok(shape)
}

fn linear_shape(weight: &[usize], x: &[usize]) -> Result<Vec<usize>, String> {
    match (x.split_last(), weight) {
        (Some((last, rest)), [inputs, outputs]) if last == inputs => {
            Ok(rest.iter().copied().chain([*outputs]).collect())
        }
        _ => Err(format!("weight {weight:?} on input {x:?}")),
    }
}

fn concat_shape(axis: usize, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
    let mut shape = inputs[0].to_vec();
    for other in &inputs[1..] {
        let fits = other.len() == shape.len()
            && axis < shape.len()
            && shape.iter().zip(*other).enumerate().all(|(dim, (a, b))| dim == axis || a == b);
        if !fits {
            return Err(format!("operands {:?} and {other:?} along axis {axis}", inputs[0]));
        }
        shape[axis] += other[axis];
    }
    Ok(shape)
}

fn pool_shape(pool: &Pool, x: &[usize]) -> Result<Vec<usize>, String> {
    let spatial = pool.kernel.len();
    if [x.len(), pool.stride.len() + 1, pool.padding.len() + 1] != [spatial + 1; 3] {
        return Err(format!("window {:?} on input {x:?}", pool.kernel));
    }
    let mut shape = vec![x[0]];
    for axis in 0..spatial {
        let size = windowed(x[axis + 1], pool.padding[axis], pool.kernel[axis], pool.stride[axis]);
        shape.push(size.ok_or_else(|| format!("window {:?} is larger than padded input {x:?}", pool.kernel))?);
    }
    Ok(shape)
}
