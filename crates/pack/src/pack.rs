//! A plan as the bytes of a blob.

use crate::record;
use heapless::Vec;
use niwaki_blob::{AlignedBytes, Blob, Interface, MAX_INTERFACES, Manifest, TensorRecord, WriteError, Writer};
use niwaki_kernels::{Isa, scratch_bytes};
use niwaki_plan::Plan;

/// A plan that does not fit the format.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PackError {
    /// The manifest holds at most four inputs and four outputs.
    #[error("the network has {0} inputs or outputs; a blob holds at most {max} of each", max = MAX_INTERFACES)]
    Interfaces(usize),
    /// A scale that the format cannot express.
    #[error("`{0}` has an output scale that is not below one half of its inputs': planning should have shifted it")]
    Scale(String),
    /// The bytes cannot be laid out, or would not be read.
    #[error("{0}")]
    Write(WriteError),
}

/// Packs a plan for kernels of one instruction set.
///
/// `name` is the model's; `recipe_hash` identifies what it was made from. The same arguments give the same bytes.
pub fn pack(plan: &Plan, name: &str, recipe_hash: [u8; 32], isa: Isa) -> Result<AlignedBytes, PackError> {
    // Kernels are asked for their scratch by the operations as the reader presents them, so the blob is written twice.
    let draft = write(plan, name, recipe_hash, 0)?;
    let blob = Blob::read(&draft).map_err(|error| PackError::Write(WriteError::Rejected(error)))?;
    let scratch = blob.records().iter().filter_map(|record| blob.op(record)).map(|op| scratch_bytes(isa, &op)).max();
    match scratch.unwrap_or(0) {
        0 => Ok(draft),
        bytes => write(plan, name, recipe_hash, bytes),
    }
}

fn write(plan: &Plan, name: &str, recipe_hash: [u8; 32], scratch: usize) -> Result<AlignedBytes, PackError> {
    let mut writer = Writer::new();
    for tensor in &plan.tensors {
        writer.tensor(TensorRecord {
            offset: tensor.offset as u32,
            shape: tensor.shape.map(|dim| dim as u16),
            zero_point: tensor.quantisation.zero_point,
            reserved: 0,
            scale: tensor.quantisation.scale,
        });
    }
    for step in &plan.steps {
        let record = record::record(step, &mut writer)?;
        writer.op(record);
    }
    let manifest =
        Manifest { name, recipe_hash, inputs: interfaces(&plan.inputs)?, outputs: interfaces(&plan.outputs)? };
    writer.finish(&manifest, plan.arena_bytes as u32, scratch as u32).map_err(PackError::Write)
}

fn interfaces(list: &[niwaki_plan::Interface]) -> Result<Vec<Interface<'_>, MAX_INTERFACES>, PackError> {
    let mut result = Vec::new();
    for item in list {
        let shape = item.shape.iter().map(|dim| *dim as u32).collect();
        let interface = Interface { name: &item.name, tensor: item.tensor.0 as u16, shape };
        result.push(interface).map_err(|_| PackError::Interfaces(list.len()))?;
    }
    Ok(result)
}
