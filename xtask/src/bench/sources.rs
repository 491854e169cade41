//! Which sources a core's measured costs depend on.

use super::rig::Rig;
use crate::workplace::Workplace;
use anyhow::{Context, ensure};
use niwaki_pack::{Isa, cost::Table};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
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

/// What a core's measurements depend on.
#[derive(Default)]
struct Used {
    /// Folders of crates/kernels/src.
    folders: BTreeSet<String>,
    /// Items of the files beside them, by file and name: scratch sizes, who computes what. They serve all instruction sets,
    /// and one set's measurements are no older for another's change.
    items: BTreeMap<(String, String), String>,
}

/// The folders of an instruction set's kernels, the ones that they use in turn, and the items that belong to them.
fn used(kernels: &Path, isa: Isa) -> anyhow::Result<Used> {
    // What an instruction set has no kernel for, the scalar ones do.
    let mut next: Vec<String> = own(isa).into_iter().chain(["scalar"]).map(String::from).collect();
    let mut used = Used::default();
    let mut named = BTreeSet::new();
    while let Some(name) = next.pop() {
        if !kernels.join(&name).is_dir() || !used.folders.insert(name.clone()) {
            continue;
        }
        named.extend([format!("run_{name}"), format!("{name}_scratch")]);
        let mut files = Vec::new();
        list(&kernels.join(&name), &mut files)?;
        for file in files {
            // `crate::name`, or `crate::{name, other}`: whatever word follows that a folder or an item is named by.
            for rest in read(&file)?.split("crate::").skip(1) {
                let end = if rest.starts_with('{') { rest.find(';') } else { rest.find(['\n', ';']) };
                next.extend(words(&rest[..end.unwrap_or(rest.len())]).map(String::from));
            }
        }
        named.extend(next.iter().cloned());
    }
    let mut all = Vec::new();
    for file in ["dispatch.rs", "isa.rs", "planes.rs"] {
        let found = items(&read(&kernels.join(file))?);
        all.extend(found.into_iter().map(|(name, text)| ((file.to_string(), name), text)));
    }
    // What tells instruction sets apart is no part of any.
    all.retain(|((_, name), _)| !["Isa", "Operands", "run", "scratch_bytes"].contains(&name.as_str()));
    while let Some(at) = all.iter().position(|((_, name), _)| named.contains(name)) {
        let (place, text) = all.swap_remove(at);
        named.extend(words(&text).map(String::from));
        // A type's functions have its name, too.
        used.items.entry(place).or_default().push_str(&text);
    }
    Ok(used)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// Functions, types and constants with their names, as rustfmt leaves them: only what starts and ends one is not indented.
fn items(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let starts = line.starts_with(|first: char| first.is_ascii_lowercase());
        let name = || {
            let kind = |word: &&str| ["fn", "struct", "enum", "const", "static", "impl"].contains(word);
            let mut rest = words(line).skip_while(|word| !kind(word) || line.contains(&format!("{word} fn ")));
            rest.next().and_then(|_| rest.find(|word| word.len() > 1))
        };
        if let Some(name) = name().filter(|_| starts && !open) {
            found.push((name.into(), String::new()));
            open = true;
        }
        if let Some((_, text)) = found.last_mut().filter(|_| open) {
            text.push_str(line);
            text.push('\n');
            let outside = !line.starts_with(char::is_whitespace);
            open = !(line.starts_with('}') || outside && line.ends_with(';') || starts && line.ends_with('}'));
        }
    }
    found
}

/// Whatever line ends a checkout has.
fn read(file: &Path) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(file).with_context(|| file.display().to_string())?.replace("\r\n", "\n"))
}

/// SHA-256 over the names and contents of those sources, and over the rule by which all of them round.
pub(crate) fn hash(work: &Workplace, isa: Isa) -> anyhow::Result<String> {
    let mut files = vec![work.root.join("crates/blob/src/requantise.rs")];
    let kernels = work.root.join("crates/kernels/src");
    let used = used(&kernels, isa)?;
    for folder in used.folders {
        list(&kernels.join(folder), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    for file in files {
        add(&file.strip_prefix(&work.root).unwrap_or(&file).to_string_lossy().replace('\\', "/"));
        add(&read(&file)?);
    }
    used.items.values().for_each(|text| add(text));
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
    fn items_are_told_apart() {
        let text = "//! A file.\nuse a::b;\n\n/// One.\npub(crate) const ONE: usize = 1;\nconst TWO: [u8; 2] = [\n    1, 2,\n];\n\
                    #[x]\nstruct Three;\nimpl<'a> Four<'a> {\n    fn five() {}\n}\npub const fn six() {\n    seven();\n}\n";
        let found = items(text);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ONE", "TWO", "Three", "Four", "six"]);
        assert_eq!(found[3].1, "impl<'a> Four<'a> {\n    fn five() {}\n}\n");
    }

    #[test]
    fn what_kernels_share_is_among_their_sources() {
        let work = Workplace::new(false);
        let kernels = work.root.join("crates/kernels/src");
        let of = |isa| used(&kernels, isa).unwrap();
        let folders = |isa| of(isa).folders.into_iter().collect::<Vec<_>>();
        assert_eq!(folders(Isa::Scalar), ["scalar"]);
        assert_eq!(folders(Isa::Neon), ["neon", "scalar", "simd"]);
        assert!(folders(Isa::V6m).contains(&"v6m".into()) && !folders(Isa::V6m).contains(&"dsp".into()));
        let has = |isa, file: &str, name: &str| of(isa).items.contains_key(&(file.into(), name.into()));
        for (isa, file, name) in [
            (Isa::Neon, "planes.rs", "Planes"),
            (Isa::Neon, "planes.rs", "connected_parts"),
            (Isa::Neon, "isa.rs", "neon_scratch"),
            (Isa::Dsp, "dispatch.rs", "run_dsp"),
            (Isa::Dsp, "isa.rs", "dsp_patches"),
            (Isa::V6m, "isa.rs", "lane_layout"),
            (Isa::V6m, "isa.rs", "LaneLayout"),
            (Isa::V6m, "isa.rs", "INTERLEAVED_QUADS"),
            (Isa::V6m, "dispatch.rs", "run_scalar"),
        ] {
            assert!(has(isa, file, name), "{name}");
        }
        assert!(!has(Isa::Dsp, "planes.rs", "Planes") && !has(Isa::Dsp, "dispatch.rs", "run_helium"));
        assert!(!has(Isa::Neon, "isa.rs", "dsp_scratch") && !has(Isa::Neon, "isa.rs", "Isa"));
        assert_ne!(hash(&work, Isa::Scalar).unwrap(), hash(&work, Isa::Neon).unwrap());
    }
}
