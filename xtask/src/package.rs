//! The little that is read from a Cargo.toml: the package's name.

use anyhow::Context;
use serde::Deserialize;
use std::path::Path;

/// The name of the package in this folder.
pub(crate) fn name(folder: &Path) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest: Result<Manifest, _> = toml::from_str(&text);
    let manifest = manifest.map_err(|error| crate::board::toml_error(&path, &text, &error))?;
    Ok(manifest.package.name)
}

/// Whether a user meant a folder rather than a name.
pub(crate) fn is_path(text: &str) -> bool {
    text.contains(std::path::is_separator) || text == "." || text == ".."
}

/// The folders inside `parent` that hold all of these files, by name, in order.
pub(crate) fn folders(parent: &Path, files: &[&str]) -> Vec<String> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let whole = entries.filter(|entry| files.iter().all(|file| entry.path().join(file).is_file()));
    let mut names: Vec<String> = whole.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
