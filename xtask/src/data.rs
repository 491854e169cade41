//! The folder with data sets: which it is, and whether it holds what a model reads.

use crate::{model::Model, workplace::Workplace};
use anyhow::bail;
use niwaki_data::{DataFolder, Needs, VARIABLE};
use std::path::PathBuf;

/// The folder that the user names, if he names one.
fn named() -> anyhow::Result<Option<PathBuf>> {
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from);
    if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
        bail!("{VARIABLE}={} is not a folder; set it to the folder with the data sets, or unset it", folder.display());
    }
    Ok(folder)
}

/// Where data sets are downloaded to: the folder that the user names, or one of ours.
pub(crate) fn folder(work: &Workplace) -> anyhow::Result<PathBuf> {
    Ok(named()?.unwrap_or_else(|| work.root.join("target/niwaki/data")))
}

/// What a model reads that is not there, and how to get it.
pub(crate) fn missing(work: &Workplace, model: &Model) -> anyhow::Result<Option<String>> {
    let Some(needs) = Needs::of(&model.name).filter(|_| model.is_ours(work)) else { return Ok(None) };
    let folder = folder(work)?;
    if !folder.is_dir() {
        let name = &model.name;
        return Ok(Some(format!(
            "{name} reads data sets that are not in the repository, and {VARIABLE} is not set; {needs}"
        )));
    }
    let file = needs.missing(&DataFolder::new(&folder));
    Ok(file.map(|file| format!("{} reads {file}, which {} does not have; {needs}", model.name, work.show(&folder))))
}

/// The data folder for a model's program, if there is one.
///
/// # Errors
/// If the model reads something that is not there: before the program is built, which can take minutes.
pub(crate) fn ready(work: &Workplace, model: &Model) -> anyhow::Result<Option<PathBuf>> {
    if let Some(missing) = missing(work, model)? {
        bail!(missing);
    }
    Ok(Some(folder(work)?).filter(|folder| folder.is_dir()))
}
