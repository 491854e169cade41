//! Which sources a core's measured costs depend on.

use super::rig::Rig;
use crate::workplace::Workplace;
use anyhow::{Context, ensure};
use niwaki_pack::{Isa, cost::Table};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of crates/kernels/src that an instruction set's own kernels are in.
fn own(isa: Isa) -> Option<&'static str> {
    match isa {
        Isa::Dsp => Some("dsp"),
        Isa::Helium => Some("helium"),
        Isa::V7m => Some("v7m"),
        Isa::V6m => Some("v6m"),
        Isa::Neon | Isa::NeonDot => Some("neon"),
        Isa::Avx2 => Some("avx2"),
        _ => None,
    }
}

/// Those folders, and the ones that they use in turn.
fn folders(kernels: &Path, isa: Isa) -> anyhow::Result<BTreeSet<String>> {
    // What an instruction set has no kernel for, the scalar ones do.
    let mut next: Vec<String> = own(isa).into_iter().chain(["scalar"]).map(String::from).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = next.pop() {
        if !kernels.join(&name).is_dir() || !found.insert(name.clone()) {
            continue;
        }
        let mut files = Vec::new();
        list(&kernels.join(&name), &mut files)?;
        for file in files {
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            // `crate::name`, or `crate::{name, other}`: whatever word follows that a folder is named by.
            let words = |rest: &str| -> Vec<String> {
                let end = if rest.starts_with('{') { rest.find(';') } else { rest.find(['\n', ';']) };
                let rest = &rest[..end.unwrap_or(rest.len())];
                rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').map(String::from).collect()
            };
            next.extend(text.split("crate::").skip(1).flat_map(words).filter(|word| !word.is_empty()));
        }
    }
    Ok(found)
}

/// SHA-256 over the names and contents of those sources, and over the rule by which all of them round.
pub(crate) fn hash(work: &Workplace, isa: Isa) -> anyhow::Result<String> {
    let mut files = vec![work.root.join("crates/blob/src/requantise.rs")];
    let kernels = work.root.join("crates/kernels/src");
    for folder in folders(&kernels, isa)? {
        list(&kernels.join(folder), &mut files)?;
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

/// The file with what was measured on a core.
pub(crate) fn table(work: &Workplace, core: &str) -> PathBuf {
    work.root.join("crates/pack/costs").join(format!("{core}.csv"))
}

/// Cores whose costs were measured from other sources than there are now, each with the remedy.
pub(crate) fn stale(work: &Workplace) -> anyhow::Result<Vec<String>> {
    let mut stale = Vec::new();
    for rig in Rig::all(work)? {
        let path = table(work, &rig.core);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let measured = Table::parse(&rig.core, &text);
        if measured.head("sources") != Some(&hash(work, rig.isa)?) {
            stale.push(format!(
                "{}: the kernels changed since their costs were measured; measure them anew, and commit the file: \
                 cargo xtask bench kernels --board all --write",
                path.strip_prefix(&work.root).unwrap_or(&path).display()
            ));
        }
    }
    Ok(stale)
}

/// The compiler, in its own words.
pub(crate) fn rustc(work: &Workplace) -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).current_dir(&work.root).arg("--version").output().context("rustc --version")?;
    ensure!(output.status.success(), "rustc --version failed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kernels_share_is_among_their_sources() {
        let work = Workplace::new(false);
        let kernels = work.root.join("crates/kernels/src");
        let of = |isa| folders(&kernels, isa).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(of(Isa::Scalar), ["scalar"]);
        assert_eq!(of(Isa::Neon), ["neon", "scalar", "simd"]);
        assert!(of(Isa::V6m).contains(&"v6m".to_string()) && !of(Isa::V6m).contains(&"dsp".to_string()));
        assert_ne!(hash(&work, Isa::Scalar).unwrap(), hash(&work, Isa::Neon).unwrap());
    }
}
