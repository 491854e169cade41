//! A tensor whose rank is known at run time only: Burn's own carry theirs in the type.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// A float tensor of rank 1 to 5. Dimension 0 is the batch wherever it holds a graph's value.
#[derive(Clone, Debug)]
pub enum DynTensor {
    /// One dimension.
    R1(Tensor<1>),
    /// Two dimensions.
    R2(Tensor<2>),
    /// Three dimensions.
    R3(Tensor<3>),
    /// Four dimensions.
    R4(Tensor<4>),
    /// Five dimensions.
    R5(Tensor<5>),
}

/// The largest rank, batch included.
pub(crate) const MAX_RANK: usize = 5;

/// Evaluates an expression on the tensor of whichever rank. A macro, because a closure cannot be generic over the rank.
macro_rules! with_rank {
    ($dyn:expr, $tensor:ident => $body:expr) => {
        match $dyn {
            $crate::tensor::DynTensor::R1($tensor) => $body,
            $crate::tensor::DynTensor::R2($tensor) => $body,
            $crate::tensor::DynTensor::R3($tensor) => $body,
            $crate::tensor::DynTensor::R4($tensor) => $body,
            $crate::tensor::DynTensor::R5($tensor) => $body,
        }
    };
}

/// Like `with_rank`, for expressions that yield a tensor of the same rank.
macro_rules! map_rank {
    ($dyn:expr, $tensor:ident => $body:expr) => {
        $crate::tensor::with_rank!($dyn, $tensor => $crate::tensor::DynTensor::from($body))
    };
}

pub(crate) use {map_rank, with_rank};

macro_rules! conversions {
    ($($rank:literal $variant:ident),*) => {$(
        impl From<Tensor<$rank>> for DynTensor {
            fn from(tensor: Tensor<$rank>) -> Self {
                Self::$variant(tensor)
            }
        }

        /// Gives the tensor back unchanged where its rank is another.
        impl TryFrom<DynTensor> for Tensor<$rank> {
            type Error = DynTensor;

            fn try_from(tensor: DynTensor) -> Result<Self, DynTensor> {
                match tensor {
                    DynTensor::$variant(tensor) => Ok(tensor),
                    other => Err(other),
                }
            }
        }
    )*};
}

conversions!(1 R1, 2 R2, 3 R3, 4 R4, 5 R5);

impl DynTensor {
    /// A tensor of these elements, in C order.
    ///
    /// # Panics
    /// If the shape has no or more than five dimensions, or the data do not fill it.
    pub fn from_vec(data: Vec<f32>, shape: &[usize], device: &Device) -> Self {
        let data = TensorData::new(data, shape.to_vec());
        match shape.len() {
            1 => Self::R1(Tensor::from_data(data, device)),
            2 => Self::R2(Tensor::from_data(data, device)),
            3 => Self::R3(Tensor::from_data(data, device)),
            4 => Self::R4(Tensor::from_data(data, device)),
            5 => Self::R5(Tensor::from_data(data, device)),
            rank => panic!("a tensor of rank {rank}: shape {shape:?}"),
        }
    }

    /// Size of each dimension.
    pub fn shape(&self) -> Vec<usize> {
        with_rank!(self, tensor => tensor.dims().to_vec())
    }

    /// Where the tensor lives.
    pub fn device(&self) -> Device {
        with_rank!(self, tensor => tensor.device())
    }

    /// The elements in C order, copied to the host.
    pub fn into_vec(self) -> Vec<f32> {
        with_rank!(self, tensor => into_vec(tensor))
    }

    /// The same tensor as a leaf that gradients stop at, on the autodiff device over its own.
    pub(crate) fn into_autodiff(self) -> Self {
        map_rank!(self, tensor => Tensor::from_inner(tensor))
    }

    /// These channels (dimension 1) alone, in this order.
    pub(crate) fn channels(self, channels: &[usize]) -> Self {
        let indices: Vec<i32> = channels.iter().map(|channel| *channel as i32).collect();
        let data = TensorData::new(indices, [channels.len()]);
        map_rank!(self, tensor => {
            let indices = Tensor::<1, Int>::from_data(data, &tensor.device());
            tensor.select(1, indices)
        })
    }

    /// The product with a tensor of the same rank, of the same sizes or of size 1.
    pub(crate) fn times(self, factors: Self) -> Self {
        fn multiply<const D: usize>(x: Tensor<D>, factors: DynTensor) -> Tensor<D>
        where
            Tensor<D>: TryFrom<DynTensor>,
        {
            let factors = factors.try_into();
            x * factors.unwrap_or_else(|_| -> Tensor<D> { unreachable!("factors have the rank of what they multiply") })
        }
        map_rank!(self, x => multiply(x, factors))
    }

    /// The same elements under another shape.
    ///
    /// # Panics
    /// If the shape has no or more than five dimensions, or holds another number of elements.
    pub fn reshape(self, shape: &[usize]) -> Self {
        with_rank!(self, tensor => reshape(tensor, shape))
    }
}

fn reshape<const D: usize>(tensor: Tensor<D>, shape: &[usize]) -> DynTensor {
    match *shape {
        [a] => tensor.reshape([a]).into(),
        [a, b] => tensor.reshape([a, b]).into(),
        [a, b, c] => tensor.reshape([a, b, c]).into(),
        [a, b, c, d] => tensor.reshape([a, b, c, d]).into(),
        [a, b, c, d, e] => tensor.reshape([a, b, c, d, e]).into(),
        _ => panic!("a tensor of rank {}: shape {shape:?}", shape.len()),
    }
}

/// The elements in C order, copied to the host.
pub(crate) fn into_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("every float tensor here is f32")
}
