//! Which sources a core's measured costs depend on.

use crate::workplace::Workplace;
use anyhow::{Context, ensure};
use niwaki_pack::Isa;
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Folders and files of crates/kernels/src that an instruction set's kernels are made of, with what it shares.
fn parts(isa: Isa) -> Vec<&'static str> {
    let own: &[&str] = match isa {
        Isa::Dsp => &["dsp"],
        Isa::Helium => &["helium"],
        Isa::V7m => &["v7m", "pairs"],
        Isa::V6m => &["v6m", "pairs"],
        Isa::Neon | Isa::NeonDot => &["neon", "simd"],
        Isa::Avx2 => &["avx2", "simd"],
        _ => &[],
    };
    // What an instruction set has no kernel for, the scalar ones do.
    own.iter().copied().chain(["scalar"]).collect()
}

/// SHA-256 over the names and contents of those sources, and over the rule by which all of them round.
pub(crate) fn hash(work: &Workplace, isa: Isa) -> anyhow::Result<String> {
    let mut files = vec![work.root.join("crates/blob/src/requantise.rs")];
    for part in parts(isa) {
        list(&work.root.join("crates/kernels/src").join(part), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let name = file.strip_prefix(&work.root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        // Whatever line ends a checkout has.
        let text = text.replace("\r\n", "\n");
        for part in [name.as_str(), &text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        match path.is_dir() {
            true => list(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

/// The compiler, in its own words.
pub(crate) fn rustc(work: &Workplace) -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).current_dir(&work.root).arg("--version").output().context("rustc --version")?;
    ensure!(output.status.success(), "rustc --version failed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}
