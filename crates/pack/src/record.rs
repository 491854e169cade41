//! One step as a record of the blob, its parameters as pieces of the data section.

use crate::PackError;
use niwaki_blob::{MatMul, NO_INPUT, OpKind, OpRecord, Writer, round_multiplier};
use niwaki_plan::{Kernel, Requantise, Step, Window};

pub(crate) fn record(step: &Step, writer: &mut Writer) -> Result<OpRecord, PackError> {
    let mut record = OpRecord::new(kind(&step.kernel), NO_INPUT, step.output.0 as u16);
    [record.min, record.max] = step.range;
    for (slot, input) in record.inputs.iter_mut().zip(&step.inputs) {
        *slot = input.0 as u16;
    }
    let multipliers = |rule: &Requantise| -> Result<Vec<i32>, PackError> {
        let rounded: Option<Vec<i32>> = rule.scales.iter().map(|scale| round_multiplier(*scale, 0)).collect();
        rounded.ok_or_else(|| PackError::Scale(step.name.clone()))
    };
    match &step.kernel {
        Kernel::Conv2d { window, weights, bias, requantise, .. }
        | Kernel::DepthwiseConv2d { window, weights, bias, requantise } => {
            record.p = geometry(window);
            record.groups = match &step.kernel {
                Kernel::Conv2d { groups, .. } => *groups as u16,
                _ => bias.len() as u16,
            };
            weighted(&mut record, writer, weights, bias, requantise.shift, &multipliers(requantise)?);
        }
        Kernel::FullyConnected { weights, bias, requantise } => {
            weighted(&mut record, writer, weights, bias, requantise.shift, &multipliers(requantise)?);
        }
        Kernel::Add { q } => record.q = *q,
        Kernel::Mul { requantise } => {
            record.shift = requantise.shift as u8;
            record.q[0] = multipliers(requantise)?[0];
        }
        Kernel::MaxPool { window } => record.p = geometry(window),
        Kernel::AvgPool { window, requantise } => {
            record.p = geometry(window);
            let multipliers = multipliers(requantise)?;
            record.shift = requantise.shift as u8;
            record.q[0] = multipliers.len() as i32;
            record.multipliers = writer.data(&multipliers);
        }
        Kernel::Lut { table } => record.weights = writer.data(table),
        Kernel::Softmax { table } => record.weights = writer.data(table),
        Kernel::Concat { origin } => record.q = origin.map(|start| start as i32),
        Kernel::Pad { origin, value } => {
            record.q = origin.map(|start| start as i32);
            record.min = *value;
        }
        Kernel::MatMul { orders, requantise } => {
            record.p[..3].copy_from_slice(&orders.map(MatMul::order_code));
            record.shift = requantise.shift as u8;
            record.q[0] = multipliers(requantise)?[0];
        }
        Kernel::LayerNorm { gamma, beta, epsilon } => {
            record.weights = writer.data(gamma);
            record.bias = writer.data(beta);
            record.q[..2].copy_from_slice(epsilon);
        }
        Kernel::Embedding { rows, table } => {
            record.q[0] = *rows as i32;
            record.weights = writer.data(table);
        }
        Kernel::Constant { data } => record.weights = writer.data(data),
        Kernel::Transpose { perm } => {
            for (slot, axis) in record.p.iter_mut().zip(perm) {
                *slot = *axis as u16;
            }
        }
    }
    Ok(record)
}

/// The format's operation that a kernel is.
pub(crate) fn kind(kernel: &Kernel) -> OpKind {
    match kernel {
        Kernel::Conv2d { .. } => OpKind::Conv2d,
        Kernel::DepthwiseConv2d { .. } => OpKind::DepthwiseConv2d,
        Kernel::FullyConnected { .. } => OpKind::FullyConnected,
        Kernel::Add { .. } => OpKind::Add,
        Kernel::Mul { .. } => OpKind::Mul,
        Kernel::MaxPool { .. } => OpKind::MaxPool,
        Kernel::AvgPool { .. } => OpKind::AvgPool,
        Kernel::Lut { .. } => OpKind::Lut,
        Kernel::Softmax { .. } => OpKind::Softmax,
        Kernel::Concat { .. } => OpKind::Concat,
        Kernel::Pad { .. } => OpKind::Pad,
        Kernel::Transpose { .. } => OpKind::Transpose,
        Kernel::MatMul { .. } => OpKind::MatMul,
        Kernel::LayerNorm { .. } => OpKind::LayerNorm,
        Kernel::Embedding { .. } => OpKind::Embedding,
        Kernel::Constant { .. } => OpKind::Constant,
    }
}

fn geometry(window: &Window) -> [u16; 8] {
    let Window { kernel: [kh, kw], stride: [sh, sw], dilation: [dh, dw], padding: [top, left] } = window;
    [kh, kw, sh, sw, dh, dw, top, left].map(|value| *value as u16)
}

fn weighted(record: &mut OpRecord, writer: &mut Writer, weights: &[i8], bias: &[i32], shift: u32, multipliers: &[i32]) {
    record.shift = shift as u8;
    record.weights = writer.data(weights);
    record.bias = writer.data(bias);
    record.multipliers = writer.data(multipliers);
}
