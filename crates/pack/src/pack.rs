//! A plan as the bytes of a blob.

use crate::{PackError, record};
use heapless::Vec;
use niwaki_blob::{AlignedBytes, Interface, MAX_INTERFACES, Manifest, TensorRecord, Writer};
use niwaki_plan::Plan;

/// Packs a plan in the plain layout, which every target runs; [`crate::repack`] brings it into others.
///
/// `name` is the model's; `recipe_hash` identifies what it was made from. The same arguments give the same bytes.
pub fn pack(plan: &Plan, name: &str, recipe_hash: [u8; 32]) -> Result<AlignedBytes, PackError> {
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
    writer.finish(&manifest, plan.arena_bytes as u32, 0).map_err(PackError::Write)
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
