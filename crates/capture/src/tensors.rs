//! Inputs and outputs of a forward pass: one tensor of any rank, or a tuple of several.

use burn::backend::Capture;
use burn::tensor::{Device, Int, Tensor, TensorData, TensorId};

/// Full shapes of a model's inputs, each with a leading batch of one: `[1, 3, 32, 32]`, or a tuple of such arrays.
///
/// The ranks decide which tensors the forward closure gets.
pub trait ExampleShapes {
    /// What the forward closure gets: `Tensor<D>`, or a tuple.
    type Tensors;

    /// The shapes, in order.
    fn shapes(&self) -> Vec<Vec<usize>>;

    /// Tensors of these shapes with another batch size, and their identifiers.
    fn tensors(&self, batch: usize, device: &Device) -> (Self::Tensors, Vec<TensorId>);
}

/// What a forward closure returns: `Tensor<D>`, or a tuple of tensors.
pub trait OutputTensors {
    /// The tensors' identifiers in order; `None` for one that is not on the capture device.
    fn identifiers(&self) -> Vec<Option<TensorId>>;
}

/// The identifier that the capture device gave a tensor; `None` for a tensor that lives elsewhere.
pub(crate) fn identifier<const D: usize>(tensor: &Tensor<D>) -> Option<TensorId> {
    tensor.clone().try_into_primitive::<Capture>().ok().map(|primitive| primitive.id())
}

impl<const D: usize> ExampleShapes for [usize; D] {
    type Tensors = Tensor<D>;

    fn shapes(&self) -> Vec<Vec<usize>> {
        vec![self.to_vec()]
    }

    fn tensors(&self, batch: usize, device: &Device) -> (Self::Tensors, Vec<TensorId>) {
        let mut shape = *self;
        shape[0] = batch;
        let tensor = Tensor::from_data(TensorData::zeros::<f32, _>(shape), device);
        let id = identifier(&tensor).expect("the tensor was made on the capture device");
        (tensor, vec![id])
    }
}

/// The shape of an input of indices, for an embedding: the forward closure gets a `Tensor<D, Int>`. Samples hold them as
/// whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids<const D: usize>(pub [usize; D]);

impl<const D: usize> ExampleShapes for Ids<D> {
    type Tensors = Tensor<D, Int>;

    fn shapes(&self) -> Vec<Vec<usize>> {
        vec![self.0.to_vec()]
    }

    fn tensors(&self, batch: usize, device: &Device) -> (Self::Tensors, Vec<TensorId>) {
        let mut shape = self.0;
        shape[0] = batch;
        let tensor: Tensor<D, Int> = Tensor::from_data(TensorData::zeros::<i32, _>(shape), device);
        let id = tensor.clone().try_into_primitive::<Capture>().ok().map(|primitive| primitive.id());
        (tensor, vec![id.expect("the tensor was made on the capture device")])
    }
}

impl<const D: usize> OutputTensors for Tensor<D> {
    fn identifiers(&self) -> Vec<Option<TensorId>> {
        vec![identifier(self)]
    }
}

/// Implements both traits for a tuple.
macro_rules! tuple {
    ($($name:ident),+) => {
        #[allow(non_snake_case, reason = "type parameters double as variable names")]
        impl<$($name: ExampleShapes),+> ExampleShapes for ($($name,)+) {
            type Tensors = ($($name::Tensors,)+);

            fn shapes(&self) -> Vec<Vec<usize>> {
                let ($($name,)+) = self;
                [$($name.shapes()),+].concat()
            }

            fn tensors(&self, batch: usize, device: &Device) -> (Self::Tensors, Vec<TensorId>) {
                let ($($name,)+) = self;
                $(let $name = $name.tensors(batch, device);)+
                (($($name.0,)+), [$($name.1),+].concat())
            }
        }

        #[allow(non_snake_case, reason = "type parameters double as variable names")]
        impl<$($name: OutputTensors),+> OutputTensors for ($($name,)+) {
            fn identifiers(&self) -> Vec<Option<TensorId>> {
                let ($($name,)+) = self;
                [$($name.identifiers()),+].concat()
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, E);
