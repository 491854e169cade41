//! The stack's high-water mark of a firmware: `bench` measures it and leaves it, `size` shows it.

use crate::variant::Which;
use anyhow::Context;
use niwaki_pack::artefact::write_atomically;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// How deep a stack was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Bytes that were used at most.
    pub(crate) used_bytes: u32,
    /// Bytes that there were.
    pub(crate) of_bytes: u32,
    /// SHA-256 of the firmware that was measured, in hexadecimal.
    pub(crate) firmware: String,
}

fn path(folder: &Path, which: Which) -> PathBuf {
    folder.join(format!("{which}.stack.json"))
}

/// Leaves what was measured with a firmware in the folder of the model's results on that board.
pub(crate) fn save(folder: &Path, which: Which, firmware: &Path, (used, of): (u32, u32)) -> anyhow::Result<()> {
    let mark = Mark { used_bytes: used, of_bytes: of, firmware: hash(firmware)? };
    Ok(write_atomically(&path(folder, which), &serde_json::to_vec_pretty(&mark)?)?)
}

/// What was measured last, if anything was.
pub(crate) fn load(folder: &Path, which: Which) -> anyhow::Result<Option<Mark>> {
    let path = path(folder, which);
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let mark = serde_json::from_slice(&bytes);
    mark.map(Some).with_context(|| format!("{} is damaged: delete it, and bench anew", path.display()))
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn hash(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_kept_with_its_firmware() {
        let folder = tempfile::tempdir().unwrap();
        let firmware = folder.path().join("a.elf");
        std::fs::write(&firmware, "abc").unwrap();
        assert_eq!(load(folder.path(), Which::Pruned).unwrap(), None);
        save(folder.path(), Which::Pruned, &firmware, (700, 4096)).unwrap();
        let mark = load(folder.path(), Which::Pruned).unwrap().unwrap();
        assert_eq!((mark.used_bytes, mark.of_bytes), (700, 4096));
        assert!(mark.firmware.starts_with("ba7816bf") && mark.firmware == hash(&firmware).unwrap());
        std::fs::write(folder.path().join("pruned.stack.json"), "{").unwrap();
        assert!(load(folder.path(), Which::Pruned).unwrap_err().to_string().contains("bench anew"));
    }
}
