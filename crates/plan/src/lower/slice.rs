//! Parts of values: computed by themselves where a layer yields them, else copied.

use super::{Context, Lowering};
use crate::{
    Kernel, PlanError, Requantise, Window,
    layout::{MAX_DIM, axis_of},
};
use niwaki_graph::{Op, ValueId};
use niwaki_quantise::QuantisedWeights;
use std::{borrow::Cow, ops::Range};

/// A power of two that is far from the ends of int8, so that a product with it comes back exactly.
const UNIT: i8 = 64;

/// Part of what a layer yields, or all of it.
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) output: ValueId,
    pub(super) weights: Cow<'a, QuantisedWeights>,
    pub(super) macs: usize,
}

impl<'a> Lowering<'a> {
    /// What a layer computes: its output, or, where nothing but slices of its channels read that, each slice by itself,
    /// so that nothing is copied.
    pub(super) fn parts(&self, context: &Context<'a>, weights: &'a QuantisedWeights, channels: usize) -> Vec<Part<'a>> {
        let outputs = weights.bias.len();
        let slices: Option<Vec<_>> = match &context.node.op {
            Op::Conv(conv) if conv.groups > 1 => None,
            _ if self.graph.outputs.contains(&context.output) => None,
            _ => self.slices(context.output, channels),
        };
        // Slices that overlap are better computed once.
        let fits =
            |slices: &Vec<(_, Range<usize>)>| slices.iter().map(|(_, rows)| rows.len()).sum::<usize>() <= outputs;
        match slices.filter(fits) {
            Some(slices) => slices
                .into_iter()
                .map(|(node, rows)| {
                    let node = &self.graph.nodes[node];
                    let macs = context.macs / outputs * rows.len();
                    Part { name: &node.name, output: node.output, weights: Cow::Owned(weights.rows(rows)), macs }
                })
                .collect(),
            None => {
                let (name, output, macs) = (context.node.name.as_str(), context.output, context.macs);
                vec![Part { name, output, weights: Cow::Borrowed(weights), macs }]
            }
        }
    }

    /// The slices that read a value, if they alone do, and all along one axis: their nodes and indices.
    fn slices(&self, value: ValueId, along: usize) -> Option<Vec<(usize, Range<usize>)>> {
        let slice = |index: usize| match self.graph.nodes[index].op {
            Op::Slice { axis, start, end } if axis == along => Some((index, start..end)),
            _ => None,
        };
        let readers = self.graph.consumers(value);
        if readers.is_empty() { None } else { readers.into_iter().map(slice).collect() }
    }

    /// A copy: a depthwise convolution with one tap that counts, at a distance of `start` from where the window begins.
    pub(super) fn slice(&mut self, context: &Context, axis: usize, range: Range<usize>) -> Result<(), PlanError> {
        if !self.places[context.output.0].is_empty() {
            // The layer before yielded it.
            return Ok(());
        }
        let name = &context.node.name;
        let order = self.order(context.node.inputs[0])?;
        let whole = self.operand(context.node.inputs[0], &order)?;
        let part = self.place(context.output, &order)?;
        let ([height, width, channels], axis) = (self.shape_of(whole), axis_of(&order, axis));
        let (input, output, axis, start, channels) = match axis {
            2 => {
                // Runs of channels as columns.
                let run = [range.start, range.end].into_iter().fold(channels, gcd);
                let pixels = height * width;
                if pixels > MAX_DIM {
                    return Err(PlanError::TooLarge {
                        node: name.clone(),
                        what: "its number of pixels",
                        found: pixels,
                    });
                }
                let columns = |count: usize| [pixels, count / run, run];
                let input = self.view(name, whole, columns(channels));
                (input, self.view(name, part, columns(range.len())), 1, range.start / run, run)
            }
            _ => (whole, part, axis, range.start, channels),
        };
        let (mut window, mut weights) = (Window::ONE, vec![UNIT; channels]);
        if start > 0 {
            window.kernel[axis] = 2;
            window.dilation[axis] = start;
            weights.splice(0..0, vec![0; channels]);
        }
        let quantisation = self.plan.tensors[whole.0].quantisation;
        let kernel = Kernel::DepthwiseConv2d {
            window,
            weights,
            bias: vec![-i32::from(UNIT) * i32::from(quantisation.zero_point); channels],
            requantise: Requantise { scales: vec![1.0 / f64::from(UNIT); channels], shift: 0 },
        };
        self.plain(name, kernel, &[input], output);
        Ok(())
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
