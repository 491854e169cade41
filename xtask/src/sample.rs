//! The smallest blob: one operation that copies some bytes. For building a firmware where no model is packed. (The
//! tests in tests/cli include this file: it uses nothing of this crate.)

use anyhow::{Context, anyhow};
use niwaki_blob::{Interface, Manifest, OpKind, OpRecord, TensorRecord, Writer};
use std::path::{Path, PathBuf};

/// Bytes of its input and of its output: enough that a run takes longer than reading a clock.
pub(crate) const BYTES: u16 = 1024;

/// Writes it into a folder; gives its absolute path.
pub(crate) fn write(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("sample.nwk");
    niwaki_pack::artefact::write_atomically(&path, &bytes()?)?;
    path.canonicalize().with_context(|| path.display().to_string())
}

fn bytes() -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::new();
    let tensor = |offset| TensorRecord { offset, shape: [1, 1, BYTES], zero_point: 0, reserved: 0, scale: 1.0 };
    let (input, output) = (writer.tensor(tensor(0)), writer.tensor(tensor(u32::from(BYTES))));
    // Entry i of a table is for the input i - 128.
    let table: Vec<i8> = (i8::MIN..=i8::MAX).collect();
    let weights = writer.data(&table);
    writer.op(OpRecord { weights, ..OpRecord::new(OpKind::Lut, input, output) });
    let interface = |name, tensor| Interface { name, tensor, shape: [u32::from(BYTES)].into_iter().collect() };
    let manifest = Manifest {
        name: "sample",
        recipe_hash: [0; 32],
        inputs: [interface("input0", input)].into_iter().collect(),
        outputs: [interface("output0", output)].into_iter().collect(),
    };
    let bytes = writer.finish(&manifest, 2 * u32::from(BYTES), 0).map_err(|error| anyhow!("{error}"))?;
    Ok(bytes.to_vec())
}
