//! Running a forward pass on Burn's capture device: its operations, constants and parameter names.

use crate::tensors::identifier;
use crate::{CaptureError, ExampleShapes, OutputTensors};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData, TensorId};
use burn_ir::OperationIr;
use std::collections::BTreeMap;

/// A forward pass as Burn recorded it.
pub(crate) struct Recording {
    /// Operations in order of execution.
    pub(crate) operations: Vec<OperationIr>,
    /// Data of every tensor that was not computed: inputs, parameters, other constants.
    pub(crate) values: BTreeMap<TensorId, TensorData>,
    /// Which of them are the module's parameters, under which path.
    pub(crate) names: BTreeMap<TensorId, (String, ParamId)>,
    /// The inputs, in order.
    pub(crate) inputs: Vec<TensorId>,
    /// The outputs, in order.
    pub(crate) outputs: Vec<TensorId>,
}

/// Runs the forward pass on zeros of the example shapes, with another batch size.
pub(crate) fn record<M: Module, S: ExampleShapes, O: OutputTensors>(
    model: &M,
    shapes: &S,
    batch: usize,
    forward: &impl Fn(&M, S::Tensors) -> O,
) -> Result<Recording, CaptureError> {
    let device = Device::capture();
    let mut namer = Namer::default();
    let mut elsewhere = None;
    let captured = device.capture_scope(|scope| {
        // `valid` initialises lazy parameters where they are, and copies running state: `to_device` on a plain clone
        // would move the caller's batch statistics, which clones share.
        let model = model.valid().materialize().to_device(&device);
        model.visit(&mut namer);
        let (tensors, inputs) = shapes.tensors(batch, &device);
        let outputs = forward(&model, tensors).identifiers();
        elsewhere = outputs.iter().position(Option::is_none);
        scope.complete(inputs, outputs.into_iter().flatten())
    });
    if let Some(output) = elsewhere {
        return Err(CaptureError::Record { reason: format!("output {output} is not on the model's device") });
    }
    let captured = captured.map_err(|e| CaptureError::Record { reason: e.to_string() })?;
    Ok(Recording {
        operations: captured.graph.operations,
        values: captured.values,
        names: namer.names,
        inputs: captured.graph.inputs,
        outputs: captured.graph.outputs,
    })
}

/// Collects the path of every parameter, by the identifier that the capture device gave it.
#[derive(Default)]
struct Namer {
    path: Vec<String>,
    names: BTreeMap<TensorId, (String, ParamId)>,
}

impl ModuleVisitor for Namer {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(id) = identifier(&param.val()) {
            self.names.insert(id, (self.path.join("."), param.id));
        }
    }
}
