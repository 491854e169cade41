//! A layer's shape, without weights.

use anyhow::{Context, bail, ensure};
use niwaki_blob::OpKind;

/// One operation of plain kind: its shape is all that decides what it costs, but for blocks of zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layer {
    pub(crate) kind: OpKind,
    /// Height, width, channels.
    pub(crate) input: [usize; 3],
    /// Output channels.
    pub(crate) channels: usize,
    /// Height and width of the window; 1x1 for kinds without.
    pub(crate) kernel: [usize; 2],
    /// Vertical and horizontal.
    pub(crate) stride: [usize; 2],
    /// Padding above and to the left, then below and to the right.
    pub(crate) padding: [[usize; 2]; 2],
    /// Of a convolution. Of a sum or product 0 where the second operand is one pixel, taken again and again; of a product
    /// of matrices 0 where the terms of the second lie apart.
    pub(crate) groups: usize,
}

impl Layer {
    fn new(kind: OpKind, input: [usize; 3], channels: usize) -> Self {
        let groups = if kind == OpKind::DepthwiseConv2d { channels } else { 1 };
        Self { kind, input, channels, kernel: [1, 1], stride: [1, 1], padding: [[0, 0]; 2], groups }
    }

    /// A convolution, padded such that the output is the input divided by the stride, rounded up.
    pub(crate) fn conv(input: [usize; 3], channels: usize, kernel: [usize; 2], stride: usize) -> Self {
        Self::new(OpKind::Conv2d, input, channels).sliding(kernel, stride)
    }

    /// A depthwise convolution, padded likewise.
    pub(crate) fn depthwise(input: [usize; 3], kernel: [usize; 2], stride: usize) -> Self {
        Self::new(OpKind::DepthwiseConv2d, input, input[2]).sliding(kernel, stride)
    }

    /// A fully connected layer.
    pub(crate) fn connected(inputs: usize, outputs: usize) -> Self {
        Self::new(OpKind::FullyConnected, [1, 1, inputs], outputs)
    }

    /// A pool without padding.
    pub(crate) fn pool(kind: OpKind, input: [usize; 3], kernel: [usize; 2], stride: usize) -> Self {
        Self { kernel, stride: [stride; 2], ..Self::new(kind, input, input[2]) }
    }

    /// An operation whose output is as its input.
    pub(crate) fn same(kind: OpKind, shape: [usize; 3]) -> Self {
        Self::new(kind, shape, shape[2])
    }

    /// A copy into an output with more channels, or with a border around.
    pub(crate) fn placed(kind: OpKind, input: [usize; 3], channels: usize, border: usize) -> Self {
        Self { padding: [[border; 2]; 2], ..Self::new(kind, input, channels) }
    }

    fn sliding(self, kernel: [usize; 2], stride: usize) -> Self {
        // What is odd goes below and to the right, as TensorFlow's SAME does.
        let split = |axis: usize| {
            let outputs = self.input[axis].div_ceil(stride);
            let all = ((outputs - 1) * stride + kernel[axis]).saturating_sub(self.input[axis]);
            [all / 2, all - all / 2]
        };
        let [rows, columns] = [split(0), split(1)];
        let padding = [[rows[0], columns[0]], [rows[1], columns[1]]];
        Self { kernel, stride: [stride; 2], padding, ..self }
    }

    /// Height, width, channels.
    pub(crate) fn output(&self) -> [usize; 3] {
        let count = |axis: usize| {
            let padded = self.input[axis] + self.padding[0][axis] + self.padding[1][axis];
            (padded - self.kernel[axis]) / self.stride[axis] + 1
        };
        match self.kind {
            OpKind::FullyConnected => [1, 1, self.channels],
            OpKind::Transpose => [self.input[2], self.input[0], self.input[1]],
            _ => [count(0), count(1), self.channels],
        }
    }

    /// Products of one output; 0 for kinds without weights.
    pub(crate) fn terms(&self) -> usize {
        match self.kind {
            OpKind::Conv2d | OpKind::DepthwiseConv2d => self.kernel[0] * self.kernel[1] * self.input[2] / self.groups,
            OpKind::FullyConnected => self.input.iter().product(),
            _ => 0,
        }
    }

    /// Reads `conv:25x5x64:64:3x3:2` (input, output channels, kernel, stride), `depthwise:25x5x64:3x3:1`,
    /// `connected:640:128`, `add:8x8x64`, `avg:8x8x64:8x8:1` and so on. Kernel and stride may be left out.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default();
        let parts: Vec<Vec<usize>> = parts.map(numbers).collect::<Option<_>>().with_context(|| wrong(text))?;
        let three = |at: usize| parts.get(at).and_then(|list| <[usize; 3]>::try_from(list.as_slice()).ok());
        let one = |at: usize| parts.get(at).filter(|list| list.len() == 1).map(|list| list[0]);
        let window = |at: usize| -> Option<([usize; 2], usize)> {
            let kernel = parts.get(at).map_or(Some([1, 1]), |list| <[usize; 2]>::try_from(list.as_slice()).ok())?;
            Some((kernel, if parts.len() > at + 1 { one(at + 1)? } else { 1 }))
        };
        let (longest, layer) = match kind {
            "conv" => (4, window(2).and_then(|(k, s)| Some(Self::conv(three(0)?, one(1)?, k, s)))),
            "depthwise" => (3, window(1).and_then(|(k, s)| Some(Self::depthwise(three(0)?, k, s)))),
            "connected" => (2, one(0).zip(one(1)).map(|(inputs, outputs)| Self::connected(inputs, outputs))),
            "avg" => (3, window(1).and_then(|(k, s)| Some(Self::pool(OpKind::AvgPool, three(0)?, k, s)))),
            "max" => (3, window(1).and_then(|(k, s)| Some(Self::pool(OpKind::MaxPool, three(0)?, k, s)))),
            "add" => (1, three(0).map(|shape| Self::same(OpKind::Add, shape))),
            "mul" => (1, three(0).map(|shape| Self::same(OpKind::Mul, shape))),
            "lut" => (1, three(0).map(|shape| Self::same(OpKind::Lut, shape))),
            "softmax" => (1, three(0).map(|shape| Self::same(OpKind::Softmax, shape))),
            _ => bail!(wrong(text)),
        };
        let layer = layer.filter(|_| parts.len() <= longest).with_context(|| wrong(text))?;
        let fits = (0..2)
            .all(|axis| layer.input[axis] + layer.padding[0][axis] + layer.padding[1][axis] >= layer.kernel[axis]);
        ensure!(fits, "\"{text}\": the window is larger than the input");
        Ok(layer)
    }
}

fn wrong(text: &str) -> String {
    format!(
        "\"{text}\" is no shape; write conv:HxWxC:OUTPUTS[:KHxKW[:STRIDE]], depthwise:HxWxC[:KHxKW[:STRIDE]], \
         connected:INPUTS:OUTPUTS, avg|max:HxWxC[:KHxKW[:STRIDE]] or add|mul|lut|softmax:HxWxC, all of 1 or more"
    )
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split('x').map(|number| number.parse().ok().filter(|number| (1..=4096).contains(number))).collect()
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [height, width, channels] = self.input;
        let [tall, wide] = self.kernel;
        let stride = if self.stride == [1, 1] { String::new() } else { format!(" s{}", self.stride[0]) };
        match self.kind {
            OpKind::Conv2d => write!(f, "conv {tall}x{wide}{stride} {channels}->{} @{height}x{width}", self.channels),
            OpKind::DepthwiseConv2d => write!(f, "depthwise {tall}x{wide}{stride} {channels} @{height}x{width}"),
            OpKind::FullyConnected => write!(f, "connected {channels}->{}", self.channels),
            OpKind::AvgPool | OpKind::MaxPool => {
                let name = if self.kind == OpKind::AvgPool { "avg" } else { "max" };
                write!(f, "{name} {tall}x{wide}{stride} {channels} @{height}x{width}")
            }
            kind => write!(f, "{} {height}x{width}x{channels}", kind.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read() {
        let layer = Layer::parse("conv:49x10x1:64:10x4:2").unwrap();
        assert_eq!((layer.output(), layer.padding, layer.terms()), ([25, 5, 64], [[4, 1], [5, 1]], 40));
        assert_eq!(layer.to_string(), "conv 10x4 s2 1->64 @49x10");
        assert_eq!(Layer::parse("conv:25x5x64:64").unwrap().kernel, [1, 1]);
        assert_eq!(Layer::parse("connected:640:128").unwrap().output(), [1, 1, 128]);
        assert_eq!(Layer::parse("avg:8x8x64:8x8").unwrap().output(), [1, 1, 64]);
    }

    #[test]
    fn what_is_no_shape_says_what_is() {
        for text in ["", "conv", "conv:3x3", "conv:3x3x3:0", "conv:3x3x3:4:3", "connected:3:4:5", "add:3x3", "nvoc:1"] {
            let error = Layer::parse(text).unwrap_err().to_string();
            assert!(error.contains("is no shape; write conv:HxWxC"), "{text}: {error}");
        }
        assert!(Layer::parse("avg:2x2x4:3x3").unwrap_err().to_string().contains("larger than the input"));
    }
}
