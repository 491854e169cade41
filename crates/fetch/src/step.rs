//! One original and what becomes of it.

use crate::{Downloader, Original, sha256};
use anyhow::{Context, ensure};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Makes arrays of a downloaded file, in the order of [`Step::arrays`].
pub(crate) type Convert = Box<dyn Fn(&Path) -> anyhow::Result<Vec<Vec<u8>>>>;

/// A file of the layout of `niwaki-data`, uncompressed.
#[derive(Clone, Debug)]
pub struct Array {
    /// Its path in the data folder.
    pub file: String,
    /// Its length in bytes; none where that is only known afterwards.
    pub bytes: Option<u64>,
    /// Its SHA-256; none where the conversion is this crate's own choice.
    pub sha256: Option<String>,
}

impl Array {
    /// An array of so many bytes.
    pub fn new(file: impl Into<String>, bytes: usize) -> Self {
        Self { file: file.into(), bytes: Some(bytes as u64), sha256: None }
    }

    /// Whose content is known.
    pub fn known(self, sha256: &str) -> Self {
        Self { sha256: Some(sha256.into()), ..self }
    }

    /// What is wrong with this content, if anything.
    fn wrong(&self, content: &[u8]) -> Option<String> {
        if let Some(bytes) = self.bytes.filter(|bytes| *bytes != content.len() as u64) {
            return Some(format!("{} has {} bytes instead of {bytes}", self.file, content.len()));
        }
        let expected = self.sha256.as_ref()?;
        let found = sha256(content);
        (found != *expected).then(|| format!("{} has SHA-256 {found} instead of {expected}", self.file))
    }

    /// Whether it lies in the folder, as it should be, plain or compressed by someone else.
    fn there(&self, folder: &Path) -> bool {
        let plain = folder.join(&self.file);
        match (std::fs::metadata(&plain), &self.sha256) {
            (Ok(found), None) => self.bytes.is_none_or(|bytes| bytes == found.len()),
            (Ok(_), Some(_)) => std::fs::read(plain).is_ok_and(|content| self.wrong(&content).is_none()),
            (Err(_), _) => folder.join(format!("{}.xz", self.file)).is_file(),
        }
    }
}

/// One original and what becomes of it.
pub struct Step {
    /// What is downloaded.
    pub original: Original,
    /// What is made of it.
    pub arrays: Vec<Array>,
    /// What a user has to know about the result.
    pub note: Option<&'static str>,
    pub(crate) convert: Convert,
}

/// What [`fetch`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing: all was there.
    There,
    /// It wrote these files.
    Wrote(Vec<PathBuf>),
}

/// Puts a step's arrays into a data folder. The original is kept under `originals/` in it.
///
/// # Errors
/// If it cannot be downloaded, is not what it should be, or cannot be written. No array is written then.
pub fn fetch(step: &Step, folder: &Path, downloader: &Downloader) -> anyhow::Result<Outcome> {
    if step.arrays.iter().all(|array| array.there(folder)) {
        return Ok(Outcome::There);
    }
    let original = downloader.get(&step.original, &folder.join("originals"))?;
    let contents = (step.convert)(&original).with_context(|| step.original.url.clone())?;
    ensure!(contents.len() == step.arrays.len(), "{}: an array is missing", step.original.url);
    for (array, content) in step.arrays.iter().zip(&contents) {
        if let Some(wrong) = array.wrong(content) {
            anyhow::bail!("{wrong}: {} is not the file that it was", step.original.url);
        }
    }
    let mut written = Vec::new();
    for (array, content) in step.arrays.iter().zip(&contents) {
        let path = folder.join(&array.file);
        whole(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
        written.push(path);
    }
    Ok(Outcome::Wrote(written))
}

/// Writes a file whole or not at all.
fn whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("it is in no folder")?;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
