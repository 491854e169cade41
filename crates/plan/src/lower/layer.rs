//! Steps of layers with weights: convolutions, linear layers, layer normalisation, embeddings.

use super::{Context, Lowering, place::Layout};
use crate::{
    Kernel, PlanError, TensorId, Window,
    layout::{channels_innermost, innermost, natural},
    normalise,
    window::{self, Geometry},
};
use niwaki_graph::{LayerNorm, Op, ParamId};
use niwaki_quantise::Quantisation;

impl Lowering<'_> {
    pub(super) fn conv(&mut self, index: usize, context: &Context, scales: [Quantisation; 2]) -> Result<(), PlanError> {
        let Op::Conv(conv) = &context.node.op else { return Ok(()) };
        let name = &context.node.name;
        let kernel = &self.graph.param(conv.weight).shape[2..];
        let mut geometry = Geometry::of_conv(name, conv, kernel)?;
        let order = channels_innermost(kernel.len() + 1);
        let mut input = self.operand(context.node.inputs[0], &order)?;
        if !geometry.overlaps() {
            input = self.border(name, input, &geometry);
            geometry.window.padding = [0, 0];
        }
        let weights = self.quantised.weights[index].as_ref().expect("convolutions have weights");
        for part in self.parts(context, weights, 0) {
            let window = geometry.window.clone();
            let kernel = window::conv(part.name, conv, &part.weights, kernel, window, scales)?;
            let output = self.place(part.output, &order)?;
            self.step(part.name, kernel, &[input], output, context.range, part.macs);
        }
        Ok(())
    }

    /// Padding as a step of its own.
    fn border(&mut self, name: &str, input: TensorId, geometry: &Geometry) -> TensorId {
        let ([height, width, channels], quantisation) = (self.shape_of(input), self.plan.tensors[input.0].quantisation);
        let [[top, bottom], [left, right]] = geometry.padding;
        let name = format!("{name}.pad");
        let padded = self.tensor(&name, [top + height + bottom, left + width + right, channels], quantisation);
        let kernel = Kernel::Pad { origin: [top, left, 0], value: quantisation.zero_point };
        self.plain(&name, kernel, &[input], padded);
        padded
    }

    /// On a vector, or on the innermost dimension of a sequence, where it is a 1x1 convolution.
    pub(super) fn linear(
        &mut self,
        index: usize,
        context: &Context,
        scales: [Quantisation; 2],
    ) -> Result<(), PlanError> {
        let input = context.node.inputs[0];
        let weights = self.quantised.weights[index].as_ref().expect("linear layers have weights");
        let rank = self.sizes(input).len();
        if rank == 1 {
            let place = self.first(input)?;
            let scattered = match &place.layout {
                Layout::Scattered(elements) => Some(elements.as_slice()),
                Layout::Order(_) => None,
            };
            for part in self.parts(context, weights, 0) {
                let kernel = window::fully_connected(part.name, &part.weights, scattered, scales)?;
                let output = self.place(part.output, &[0])?;
                self.step(part.name, kernel, &[place.tensor], output, context.range, part.macs);
            }
            return Ok(());
        }
        let held = self.order(input)?;
        let order = innermost(self.sizes(input), &held, rank - 1);
        let operand = self.operand(input, &order)?;
        for part in self.parts(context, weights, rank - 1) {
            let kernel = window::fully_connected(part.name, &part.weights, None, scales)?;
            let Kernel::FullyConnected { weights, bias, requantise } = kernel else { return Ok(()) };
            let kernel = Kernel::Conv2d { window: Window::ONE, groups: 1, weights, bias, requantise };
            let output = self.place(part.output, &order)?;
            self.step(part.name, kernel, &[operand], output, context.range, part.macs);
        }
        Ok(())
    }

    pub(super) fn layer_norm(
        &mut self,
        context: &Context,
        norm: &LayerNorm,
        scales: [Quantisation; 2],
    ) -> Result<(), PlanError> {
        let input = context.node.inputs[0];
        let gamma = &self.graph.param(norm.gamma).data;
        let beta = norm.beta.map(|id| self.graph.param(id).data.as_slice());
        let kernel = normalise::layer_norm(&context.node.name, gamma, beta, norm.epsilon, scales)?;
        let held = self.order(input)?;
        let order = innermost(self.sizes(input), &held, held.len() - 1);
        self.simple(context, &order, kernel)
    }

    pub(super) fn embedding(&mut self, context: &Context, table: ParamId) -> Result<(), PlanError> {
        let (param, quantisation) = (self.graph.param(table), self.quantisation(context.output));
        let table = param.data.iter().map(|x| quantisation.quantise(*x)).collect();
        let rank = self.sizes(context.node.inputs[0]).len();
        let input = self.operand(context.node.inputs[0], &natural(rank))?;
        let output = self.place(context.output, &natural(rank + 1))?;
        self.plain(&context.node.name, Kernel::Embedding { rows: param.shape[0], table }, &[input], output);
        Ok(())
    }
}
