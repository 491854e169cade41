//! Recognising an asymmetrically padded average that leaves the padding out: Burn pools zero-padded data, pools a
//! zero-padded mask of ones, and divides one by the other.

use super::{Lowering, Result, Slot};
use crate::trace::Trace;
use burn::tensor::TensorId;
use burn_ir::{
    BaseOperationIr, BinaryOpIr, ModuleOperationIr, NumericOperationIr, OperationIr, PadModeIr, PadOpIr, TensorIr,
};
use niwaki_graph::{Op, Pool};

impl Lowering<'_> {
    /// The average pooling behind a quotient; `None` where it is another quotient.
    pub(super) fn lower_masked_average(&mut self, d: &BinaryOpIr) -> Option<Result<Slot>> {
        let (pool, border) = padded_average(&self.trace, d.lhs.id)?;
        let Some(OperationIr::BaseFloat(BaseOperationIr::MaskFill(fill))) = self.trace.producer(d.rhs.id) else {
            return None;
        };
        let (mask_pool, mask_border) = padded_average(&self.trace, fill.tensor.id)?;
        let ones = self.constant(&mask_border.input)?.uniform() == Some(1.0);
        if !ones || mask_pool != pool || mask_border.padding != border.padding {
            return None;
        }
        let (outer, spatial) = border.padding.split_at_checked(2)?;
        if outer.iter().any(|pair| *pair != (0, 0)) {
            return None;
        }
        let padding = spatial.iter().map(|(before, after)| [*before, *after]).collect();
        let op = Op::AvgPool(Pool { padding, count_include_pad: false, ..pool });
        Some(self.value(&border.input).and_then(|x| self.emit(op, &[x], &d.out)))
    }
}

/// The average pooling without padding of its own that yields a tensor, and the border of zeros before it.
fn padded_average<'a>(trace: &Trace<'a>, id: TensorId) -> Option<(Pool, &'a PadOpIr)> {
    let (x, kernel, stride, padding): (&TensorIr, &[usize], &[usize], &[usize]) = match trace.producer(id)? {
        OperationIr::Module(ModuleOperationIr::AvgPool1d(d)) => (
            &d.x,
            std::slice::from_ref(&d.kernel_size),
            std::slice::from_ref(&d.stride),
            std::slice::from_ref(&d.padding),
        ),
        OperationIr::Module(ModuleOperationIr::AvgPool2d(d)) => (&d.x, &d.kernel_size, &d.stride, &d.padding),
        _ => return None,
    };
    let Some(OperationIr::NumericFloat(_, NumericOperationIr::Pad(pad))) = trace.producer(x.id) else { return None };
    let zeros = matches!(pad.mode, PadModeIr::Constant(value) if value.elem::<f32>() == 0.0);
    if !zeros || padding.iter().any(|padding| *padding != 0) {
        return None;
    }
    let pool = Pool {
        kernel: kernel.to_vec(),
        stride: stride.to_vec(),
        padding: vec![[0, 0]; kernel.len()],
        count_include_pad: false,
    };
    Some((pool, pad))
}
