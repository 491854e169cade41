//! What the host stages left of a model: its two networks, checked before a board sees them.

use crate::{data, model::Model, workplace::Workplace};
use anyhow::{Context, bail, ensure};
use niwaki_blob::{AlignedBytes, Blob};
use niwaki_pack::{
    Isa,
    artefact::{EvalSet, REPORT, Report, Variant, write_atomically},
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Which of a model's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Which {
    /// As it was before pruning.
    Unpruned,
    /// After pruning and fine-tuning.
    Pruned,
}

impl Which {
    /// Both, in the order of tables.
    pub(crate) const BOTH: [Self; 2] = [Self::Unpruned, Self::Pruned];

    /// Its figures.
    pub(crate) fn of(self, report: &Report) -> &Variant {
        match self {
            Self::Unpruned => &report.unpruned,
            Self::Pruned => &report.pruned,
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unpruned => "unpruned",
            Self::Pruned => "pruned",
        })
    }
}

/// The report that `pack` left of a model.
///
/// # Errors
/// Where there is none; with what has to be downloaded before there can be one.
pub(crate) fn report(work: &Workplace, model: &Model) -> anyhow::Result<Report> {
    let (name, folder) = (&model.name, model.results(work));
    if !folder.join(REPORT).is_file() {
        let file = work.show(&folder.join(REPORT));
        match data::missing(work, model)? {
            None => bail!("{name} is not packed yet ({file} is missing); `cargo xtask pack {name}` does it"),
            Some(missing) => {
                bail!("{name} is not packed yet ({file} is missing), and {missing}; then `cargo xtask pack {name}`")
            }
        }
    }
    Ok(Report::load(&folder)?)
}

/// What a blob says of itself, once it has been checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BlobFile {
    pub(crate) path: PathBuf,
    pub(crate) model: String,
    pub(crate) crc: u32,
    pub(crate) bytes: usize,
    pub(crate) arena_bytes: usize,
    pub(crate) layers: usize,
    pub(crate) input_bytes: usize,
    pub(crate) output_bytes: usize,
}

impl BlobFile {
    /// Reads and checks one. `remedy` says how to get a good one.
    pub(crate) fn read(path: &Path, remedy: &str) -> anyhow::Result<Self> {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("{shown}; {remedy}"))?;
        let aligned = AlignedBytes::new(&bytes);
        let blob = Blob::read(&aligned).map_err(|error| anyhow::anyhow!("{shown}: {error}; {remedy}"))?;
        let elements = |tensors: &[u16]| tensors.iter().map(|index| blob.tensor(*index).shape.elements()).sum();
        Ok(Self {
            path: path.canonicalize().with_context(|| shown.to_string())?,
            model: blob.manifest().map(|manifest| manifest.name.to_string()).unwrap_or_default(),
            crc: blob.crc(),
            bytes: blob.bytes().len(),
            arena_bytes: blob.tensor_bytes() + blob.scratch_bytes(),
            layers: blob.records().len(),
            input_bytes: elements(blob.inputs()),
            output_bytes: elements(blob.outputs()),
        })
    }

    /// The same network in the layouts that a board's kernels read, those that take least on its core, written to `copy`.
    pub(crate) fn repacked(&self, isa: Isa, core: &str, copy: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(&self.path).with_context(|| self.path.display().to_string())?;
        let repacked = niwaki_pack::repack_for(&AlignedBytes::new(&bytes), isa, core)
            .with_context(|| format!("{} cannot be brought into this board's layout", self.path.display()))?;
        write_atomically(copy, &repacked)?;
        Self::read(copy, "pack the model anew")
    }

    /// The blob of one of a model's networks.
    pub(crate) fn of(work: &Workplace, report: &Report, which: Which) -> anyhow::Result<Self> {
        let path = work.results(&report.model).join(&which.of(report).blob);
        Self::read(&path, &format!("make it anew with `cargo xtask pack {}`", report.model))
    }
}

/// The inputs for one of a model's networks, and what the host made of them.
pub(crate) fn eval_set(work: &Workplace, report: &Report, which: Which, blob: &BlobFile) -> anyhow::Result<EvalSet> {
    let path = work.results(&report.model).join(&which.of(report).eval);
    let set = EvalSet::load(&path)?;
    ensure!(
        (set.input_bytes, set.output_bytes) == (blob.input_bytes, blob.output_bytes) && !set.is_empty(),
        "{} is not for {}; make both anew with `cargo xtask pack {}`",
        work.show(&path),
        work.show(&blob.path),
        report.model
    );
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_blob_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let blob = BlobFile::read(&crate::sample::write(folder.path()).unwrap(), "").unwrap();
        assert_eq!((blob.model.as_str(), blob.layers, blob.arena_bytes), ("sample", 1, 2048));
        assert_eq!((blob.input_bytes, blob.output_bytes), (1024, 1024));
    }

    #[test]
    fn a_bad_one_is_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = crate::sample::write(folder.path()).unwrap();
        let good = std::fs::read(&path).unwrap();
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            BlobFile::read(&path, "make it anew").unwrap_err().to_string()
        };
        let flip = |place: usize| good.iter().enumerate().map(|(at, x)| x ^ u8::from(at == place)).collect::<Vec<_>>();
        assert!(error(&good[..good.len() - 1]).ends_with("sample.nwk: the blob is cut off; make it anew"));
        assert!(error(&flip(good.len() - 1)).contains("damaged"));
        assert!(error(&flip(5)).contains("version"));
        assert!(error(b"").contains("cut off"));
    }
}
