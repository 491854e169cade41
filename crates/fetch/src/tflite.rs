//! As much of a TensorFlow Lite flatbuffer as it takes to find weights, after the published schema (version 3).

use anyhow::{Context, ensure};

/// Layers with weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Conv,
    Depthwise,
    FullyConnected,
}

/// A constant tensor as numbers.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// A layer's kind, weights and bias, in the order in which they run.
pub(crate) struct Layer {
    pub(crate) kind: Kind,
    pub(crate) weight: Tensor,
    pub(crate) bias: Option<Tensor>,
}

/// The layers with weights of a file's first graph.
pub(crate) fn layers(bytes: &[u8]) -> anyhow::Result<Vec<Layer>> {
    parse(bytes).context("no TensorFlow Lite file that can be read")
}

fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Layer>> {
    ensure!(bytes.get(4..8) == Some(b"TFL3"), "it does not say TFL3");
    let buffer = Buffer(bytes);
    let model = buffer.table(0)?;
    let (codes, graphs, buffers) = (model.tables(1)?, model.tables(2)?, model.tables(4)?);
    let graph = graphs.first().context("it has no graph")?;
    let tensors = graph.tables(0)?;
    let tensor = |index: i32| -> anyhow::Result<Tensor> {
        let table = usize::try_from(index).ok().and_then(|index| tensors.get(index)).context("a tensor is missing")?;
        read_tensor(table, &buffers)
    };
    let mut layers = Vec::new();
    for operator in graph.tables(3)? {
        let code = codes.get(operator.u32(0)? as usize).context("an operator's code is missing")?;
        // Codes below 127 are in the first field in old files, in the fourth and the first in new ones.
        let kind = match code.u32(3)?.max(u32::from(code.u8(0)?)) {
            3 => Kind::Conv,
            4 => Kind::Depthwise,
            9 => Kind::FullyConnected,
            _ => continue,
        };
        let inputs = operator.i32s(1)?;
        let weight = tensor(*inputs.get(1).context("a layer has no weights")?)?;
        let bias = inputs.get(2).filter(|index| **index >= 0).map(|index| tensor(*index)).transpose()?;
        layers.push(Layer { kind, weight, bias });
    }
    Ok(layers)
}

/// Reads a tensor, `scale * (q - zero_point)` where it is quantised.
fn read_tensor(table: &Table<'_>, buffers: &[Table<'_>]) -> anyhow::Result<Tensor> {
    let shape = table.i32s(0)?.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>()?;
    let data = buffers.get(table.u32(2)? as usize).context("a tensor's buffer is missing")?.u8s(0)?;
    let raw: Vec<i32> = match table.u8(1)? {
        0 => {
            let words = data.as_chunks::<4>().0;
            return Tensor { shape, values: words.iter().map(|word| f32::from_le_bytes(*word)).collect() }.checked();
        }
        2 => data.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word)).collect(),
        9 => data.iter().map(|byte| i32::from(byte.cast_signed())).collect(),
        other => anyhow::bail!("weights of type {other}"),
    };
    let quantisation = table.child(4)?.context("integer weights have no scale")?;
    let (scales, zeros) = (quantisation.f32s(2)?, quantisation.i64s(3)?);
    let dimension = quantisation.u32(6)? as usize;
    let inner: usize = shape.get(dimension + 1..).unwrap_or_default().iter().product();
    ensure!(!scales.is_empty() && inner > 0, "integer weights have no scale");
    let number = |(place, q): (usize, i32)| {
        let channel = place / inner % scales.len();
        let zero = zeros.get(channel).or(zeros.first()).copied().unwrap_or(0);
        (i64::from(q) - zero) as f32 * scales[channel]
    };
    Tensor { shape, values: raw.into_iter().enumerate().map(number).collect() }.checked()
}

impl Tensor {
    fn checked(self) -> anyhow::Result<Self> {
        let product = self.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        ensure!(product == Some(self.values.len()), "a tensor's data does not fit its shape");
        Ok(self)
    }
}

/// A flatbuffer; every read is checked.
#[derive(Clone, Copy)]
struct Buffer<'a>(&'a [u8]);

impl<'a> Buffer<'a> {
    fn take<const N: usize>(self, at: usize) -> anyhow::Result<[u8; N]> {
        self.0.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().context("it ends too early")
    }

    /// Where the offset at this place points.
    fn follow(self, at: usize) -> anyhow::Result<usize> {
        Ok(at + u32::from_le_bytes(self.take(at)?) as usize)
    }

    fn table(self, at: usize) -> anyhow::Result<Table<'a>> {
        Ok(Table { buffer: self, at: self.follow(at)? })
    }
}

/// A table in it.
#[derive(Clone, Copy)]
struct Table<'a> {
    buffer: Buffer<'a>,
    at: usize,
}

impl<'a> Table<'a> {
    /// Where a field is, if it is there.
    fn field(&self, number: usize) -> anyhow::Result<Option<usize>> {
        let back = i64::from(i32::from_le_bytes(self.buffer.take(self.at)?));
        let directory = usize::try_from(self.at as i64 - back)?;
        let size = usize::from(u16::from_le_bytes(self.buffer.take(directory)?));
        let entry = 4 + 2 * number;
        if entry + 2 > size {
            return Ok(None);
        }
        let offset = usize::from(u16::from_le_bytes(self.buffer.take(directory + entry)?));
        Ok((offset > 0).then_some(self.at + offset))
    }

    fn u8(&self, field: usize) -> anyhow::Result<u8> {
        self.field(field)?.map_or(Ok(0), |at| Ok(self.buffer.take::<1>(at)?[0]))
    }

    fn u32(&self, field: usize) -> anyhow::Result<u32> {
        self.field(field)?.map_or(Ok(0), |at| Ok(u32::from_le_bytes(self.buffer.take(at)?)))
    }

    fn child(&self, field: usize) -> anyhow::Result<Option<Table<'a>>> {
        self.field(field)?.map(|at| self.buffer.table(at)).transpose()
    }

    /// A vector's bytes, for elements of this width.
    fn vector(&self, field: usize, width: usize) -> anyhow::Result<(usize, &'a [u8])> {
        let Some(at) = self.field(field)? else { return Ok((0, &[])) };
        let start = self.buffer.follow(at)?;
        let count = u32::from_le_bytes(self.buffer.take(start)?) as usize;
        let bytes = self.buffer.0.get(start + 4..).and_then(|rest| rest.get(..count.checked_mul(width)?));
        Ok((start + 4, bytes.context("it ends too early")?))
    }

    fn u8s(&self, field: usize) -> anyhow::Result<&'a [u8]> {
        Ok(self.vector(field, 1)?.1)
    }

    fn i32s(&self, field: usize) -> anyhow::Result<Vec<i32>> {
        Ok(self.vector(field, 4)?.1.as_chunks::<4>().0.iter().map(|x| i32::from_le_bytes(*x)).collect())
    }

    fn f32s(&self, field: usize) -> anyhow::Result<Vec<f32>> {
        Ok(self.vector(field, 4)?.1.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect())
    }

    fn i64s(&self, field: usize) -> anyhow::Result<Vec<i64>> {
        Ok(self.vector(field, 8)?.1.as_chunks::<8>().0.iter().map(|x| i64::from_le_bytes(*x)).collect())
    }

    fn tables(&self, field: usize) -> anyhow::Result<Vec<Table<'a>>> {
        let (start, bytes) = self.vector(field, 4)?;
        (0..bytes.len() / 4).map(|index| self.buffer.table(start + 4 * index)).collect()
    }
}
