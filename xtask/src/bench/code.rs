//! How much code kernels are, by linking them.

use super::{layer::Layer, models, network, rig::Rig};
use crate::{
    board::{self, Board},
    workplace::Workplace,
};
use anyhow::Context;
use niwaki_blob::Blob;

/// Most bytes of code that KWS's kernels may be on a Cortex-M4.
const MOST: u64 = 16 * 1024;

/// Bytes of code of the kernels that a model's layers take, unpruned: a link with them less one with none. `None` for a
/// computer.
pub(crate) fn of(work: &Workplace, rig: &Rig, layers: &[(String, Layer)]) -> anyhow::Result<Option<u64>> {
    let mut ops = 0;
    for (_, layer) in layers {
        let blob = niwaki_pack::repack_for(&network::plain(layer, None)?, rig.isa, &rig.core)?;
        ops |= Blob::read(&blob).map_or(0, |blob| blob.op_set());
    }
    rig.kernel_code(work, ops)
}

/// What is wrong with the size of KWS's kernels on a Cortex-M4.
pub(crate) fn broken_budget(work: &Workplace) -> anyhow::Result<Vec<String>> {
    let usual = Rig::of(work, &Board::find(work, board::DEFAULT)?)?;
    let rig = usual.first().context("the usual board is emulated")?;
    let all = models::all();
    let (model, layers) = all.first().context("there are models")?;
    let bytes = of(work, rig, layers)?.unwrap_or(u64::MAX);
    let wrong = format!("the kernels of {model} are {bytes} bytes of code on {}; there is room for {MOST}", rig.core);
    Ok((bytes > MOST).then_some(wrong).into_iter().collect())
}
