//! Steps of two operands: element by element, and products of values.

use super::{Context, Lowering};
use crate::{
    Kernel, PlanError,
    elementwise::{self, requantise},
    layout::{axis_of, natural},
};
use niwaki_graph::{Binary, MatMul, Op, ValueId};

impl Lowering<'_> {
    pub(super) fn binary(&mut self, context: &Context, op: Binary) -> Result<(), PlanError> {
        let name = &context.node.name;
        let scales = [0, 1].map(|at| self.quantisation(context.node.inputs[at]));
        let mut kernel = elementwise::binary(name, op, scales, self.quantisation(context.output))?;
        let [mut long, mut short] = [context.node.inputs[0], context.node.inputs[1]];
        // The kernel repeats its second operand.
        if self.sizes(long) != self.sizes(context.output) {
            (long, short) = (short, long);
            if let Kernel::Add { q } = &mut kernel {
                q.swap(0, 1);
            }
        }
        if self.sizes(long) != self.sizes(context.output) {
            let shapes = [long, short].map(|id| self.sizes(id).to_vec());
            return Err(PlanError::Broadcast { node: name.clone(), shapes });
        }
        let order = self.common_order(long, short)?;
        let inputs = [self.operand(long, &order)?, self.operand(short, &order)?];
        let output = self.place(context.output, &order)?;
        self.step(name, kernel, &inputs, output, context.range, context.macs);
        Ok(())
    }

    /// An order in which dimensions that one operand repeats are outermost: that of the other operand, if it is so.
    fn common_order(&mut self, long: ValueId, short: ValueId) -> Result<Vec<usize>, PlanError> {
        let repeated: Vec<bool> = self.sizes(long).iter().zip(self.sizes(short)).map(|(a, b)| a != b).collect();
        let held = if self.is_free(long) { self.order(short)? } else { self.order(long)? };
        let wide: Vec<usize> = held.iter().copied().filter(|dim| self.sizes(long)[*dim] != 1).collect();
        match wide.iter().map(|dim| !repeated[*dim]).is_sorted() {
            true => Ok(held),
            false => {
                let mut order = natural(held.len());
                order.sort_by_key(|dim| (!repeated[*dim], *dim));
                Ok(order)
            }
        }
    }

    /// The operands may be in any order; the output is in one that makes a transposition behind it free.
    pub(super) fn matmul(&mut self, context: &Context, product: &MatMul) -> Result<(), PlanError> {
        let (name, [a, b]) = (&context.node.name, [context.node.inputs[0], context.node.inputs[1]]);
        let (rank, terms) = (self.sizes(a).len(), self.sizes(a).last().copied().unwrap_or(1));
        let [sa, sb, so] = [a, b, context.output].map(|id| f64::from(self.quantisation(id).scale));
        let scale = sa * sb * f64::from(product.scale) / so;
        let rule = requantise(name, vec![scale], terms as f64 * 255.0 * 255.0)?;
        let inputs = [self.first(a)?.tensor, self.first(b)?.tensor];
        let held = [self.order(a)?, self.order(b)?];
        let output_order = self.wanted(context.output);
        let output = self.place(context.output, &output_order)?;
        let (rows, last) = (rank - 2, rank - 1);
        let columns = if product.transposed { [rows, last] } else { [last, rows] };
        // With two dimensions, the matrices are the tensor's first, of size 1.
        let roles = |order: &[usize], dims: [usize; 2]| {
            let matrices = if rank == 3 { axis_of(order, 0) } else { 0 };
            [matrices, axis_of(order, dims[0]), axis_of(order, dims[1])]
        };
        let orders = [roles(&held[0], [rows, last]), roles(&held[1], columns), roles(&output_order, [rows, last])];
        let kernel = Kernel::MatMul { orders, requantise: rule };
        self.step(name, kernel, &inputs, output, context.range, context.macs);
        Ok(())
    }

    /// The order that a value's only reader wants, where that is a transposition; the graph's own elsewhere.
    fn wanted(&self, id: ValueId) -> Vec<usize> {
        match self.graph.consumers(id).as_slice() {
            [reader] => match &self.graph.nodes[*reader].op {
                Op::Transpose { perm } => perm.clone(),
                _ => natural(self.sizes(id).len()),
            },
            _ => natural(self.sizes(id).len()),
        }
    }
}
