//! Burn module -> niwaki graph, through Burn's capture device.
//!
//! ```no_run
//! # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! # let model = LinearConfig::new(64, 10).init(&Device::default());
//! let graph = niwaki_capture::capture(&model, [1, 64], |m, x: Tensor<2>| m.forward(x))?;
//! println!("{graph}");
//! # Ok::<(), niwaki_capture::CaptureError>(())
//! ```
//!
//! The user's code is not changed, and neither is the model: a copy in evaluation mode runs once on a device that
//! records operations instead of computing them (`record`), the record is lowered to a [`Graph`] operation by operation
//! (`lower`), and what Burn takes apart is put together again (`fuse`). It all runs twice, on a batch of one and of
//! two, which tells the batch dimension from others.

mod constant;
mod error;
mod fuse;
mod lower;
mod names;
mod record;
mod tensors;
mod trace;

pub use error::{CaptureError, Unsupported};
pub use tensors::{ExampleShapes, Ids, OutputTensors};

use burn::module::Module;
use niwaki_graph::Graph;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a recorded forward pass does not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureOptions {
    /// Momentum of every batch normalisation. An evaluation pass does not show it; 0.1 is Burn's default, to be changed
    /// for a model that sets another with `BatchNormConfig::with_momentum`.
    pub batch_norm_momentum: f64,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self { batch_norm_momentum: 0.1 }
    }
}

/// Captures a model's forward pass in evaluation mode as a [`Graph`], with the default [`CaptureOptions`].
///
/// `example_shapes` are the full shapes of the inputs with a batch of one: `[1, 1, 28, 28]` for a model that takes one
/// `Tensor<4>`, `([1, 8], [1, 4])` for one that takes two `Tensor<2>` as a tuple, `Ids([1, 16])` for a `Tensor<2, Int>`. The model may live on any device, with
/// autodiff or without, and is not changed. Parameters carry the paths they have in the module.
///
/// # Panics
/// If the forward pass itself panics on these shapes.
pub fn capture<M: Module, S: ExampleShapes, O: OutputTensors>(
    model: &M,
    example_shapes: S,
    forward: impl Fn(&M, S::Tensors) -> O,
) -> Result<Graph, CaptureError> {
    capture_with(model, example_shapes, &CaptureOptions::default(), forward)
}

/// [`capture`] with options.
pub fn capture_with<M: Module, S: ExampleShapes, O: OutputTensors>(
    model: &M,
    example_shapes: S,
    options: &CaptureOptions,
    forward: impl Fn(&M, S::Tensors) -> O,
) -> Result<Graph, CaptureError> {
    let bad = |shape: &Vec<usize>| shape.first() != Some(&1);
    if let Some((input, shape)) = example_shapes.shapes().into_iter().enumerate().find(|(_, shape)| bad(shape)) {
        return Err(CaptureError::ExampleShape { input, shape });
    }
    let one = lower::lower(&record::record(model, &example_shapes, 1, &forward)?, 1, options);
    // The model's code may well panic on a batch of two where it has the batch size written in.
    let two = catch_unwind(AssertUnwindSafe(|| record::record(model, &example_shapes, 2, &forward)));
    let two = match two {
        Ok(recording) => Ok(lower::lower(&recording?, 2, options)),
        Err(panic) => Err(CaptureError::Batch { message: panic_message(panic.as_ref()) }),
    };
    let unsupported = unsupported(one.unsupported, two.as_ref().map(|two| two.unsupported.as_slice()).unwrap_or(&[]));
    if !unsupported.is_empty() {
        return Err(CaptureError::Unsupported(unsupported));
    }
    let (mut graph, mut other) = (one.graph, two?.graph);
    fuse::fuse(&mut graph);
    fuse::fuse(&mut other);
    same_network(&graph, &other)?;
    names::assign(&mut graph);
    graph.validate()?;
    Ok(graph)
}

/// What fails on a batch of one, and what fails only on a batch of two.
fn unsupported(mut one: Vec<Unsupported>, two: &[Unsupported]) -> Vec<Unsupported> {
    let key = |x: &Unsupported| (x.operation.clone(), x.near.clone());
    let known: Vec<_> = one.iter().map(key).collect();
    one.extend(two.iter().filter(|x| !known.contains(&key(x))).cloned());
    one
}

/// Whether captures of a batch of one and of two describe one network. Names and reshapes may differ: Burn folds the
/// batch into rows before a matrix product where it has more than one.
fn same_network(one: &Graph, two: &Graph) -> Result<(), CaptureError> {
    let shapes =
        |graph: &Graph| -> Vec<Vec<usize>> { graph.outputs.iter().map(|id| graph.value(*id).shape.clone()).collect() };
    let kinds = |graph: &Graph| -> Vec<&str> {
        graph.nodes.iter().map(|node| node.op.kind()).filter(|kind| *kind != "reshape").collect()
    };
    let difference = if shapes(one) != shapes(two) {
        format!("outputs {:?} and {:?} per sample", shapes(one), shapes(two))
    } else if kinds(one) != kinds(two) {
        format!("operations {:?} and {:?}", kinds(one), kinds(two))
    } else if one.total_macs() != two.total_macs() {
        format!("{} and {} multiply-accumulates per sample", one.total_macs(), two.total_macs())
    } else {
        return Ok(());
    };
    Err(CaptureError::BatchDependent { difference })
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").trim().to_string()
}
