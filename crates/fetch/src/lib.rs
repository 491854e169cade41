//! Public data sets, downloaded and converted into the layout of `niwaki-data`.
//!
//! A [`Step`] is one original file at its publisher's and the arrays that are made of it. [`steps`] lists those of a
//! model; [`fetch`] does one: it downloads what is missing, resuming where an earlier run ended, checks SHA-256 where
//! the file's is known, converts, checks the arrays, and only then writes them, each whole. What is there already is
//! neither downloaded nor converted again.

mod cifar;
mod download;
mod originals;
mod runner;
mod speech;
mod step;
mod tflite;
mod weights;
mod words;

pub use cifar::cifar10;
pub use download::Downloader;
pub use originals::{Original, steps};
pub use runner::{Source, Subset, runner};
pub use speech::digits;
pub use step::{Array, Outcome, Step, fetch};
pub use weights::weights;
pub use words::words;

use sha2::{Digest, Sha256};

/// SHA-256 as it is usually printed.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls `each` with every file of a `.tar.gz`: its path, and its content.
///
/// # Errors
/// If the archive is damaged, or `each` fails.
fn archive(
    path: &std::path::Path,
    mut each: impl FnMut(&str, &mut dyn std::io::Read) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    use anyhow::Context;
    let damaged = || format!("{} is damaged; remove it and run this again", path.display());
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::io::BufReader::new(file)));
    for entry in archive.entries().with_context(damaged)? {
        let mut entry = entry.with_context(damaged)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().with_context(damaged)?.to_string_lossy().into_owned();
        each(name.strip_prefix("./").unwrap_or(&name), &mut entry).map_err(|error| {
            match error.is::<std::io::Error>() {
                true => error.context(damaged()),
                false => error,
            }
        })?;
    }
    Ok(())
}

/// A path without its first folder, which is named after the archive.
fn inside(path: &str) -> &str {
    path.split_once('/').map_or(path, |(_, inside)| inside)
}
