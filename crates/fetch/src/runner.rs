//! The inputs that MLPerf Tiny judges by, from the archive of the repository eembc/energyrunner: a folder for each
//! model with one file for each input, and their labels in `y_labels.csv`.

use crate::{Array, Original, Step, archive, inside};
use anyhow::{Context, ensure};
use std::collections::HashMap;

/// Which inputs, in which order.
#[derive(Clone, Debug)]
pub enum Source {
    /// So many, by `y_labels.csv`: lines of `NAME,CLASSES,LABEL`.
    Labels(usize),
    /// These files, with these labels.
    Names(Vec<(String, u8)>),
}

/// Inputs that become one array, one after the other.
#[derive(Clone, Debug)]
pub struct Subset {
    /// Their folder in `datasets/`.
    pub folder: &'static str,
    /// Which they are.
    pub source: Source,
    /// Their content.
    pub inputs: Array,
    /// Their labels, a byte each.
    pub labels: Array,
}

/// Makes each subset's inputs and labels.
pub fn runner(original: Original, subsets: Vec<Subset>) -> Step {
    Step {
        original,
        arrays: subsets.iter().flat_map(|subset| [subset.inputs.clone(), subset.labels.clone()]).collect(),
        note: None,
        convert: Box::new(move |path| {
            let mut files = HashMap::new();
            archive(path, |name, content| {
                let name = inside(name);
                let inner = name.strip_prefix("datasets/");
                let folder = inner.and_then(|inner| inner.split_once('/')).map_or("", |(folder, _)| folder);
                if subsets.iter().any(|subset| subset.folder == folder) {
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes)?;
                    files.insert(name.to_string(), bytes);
                }
                Ok(())
            })?;
            let arrays = subsets.iter().map(|subset| subset.of(&files)).collect::<anyhow::Result<Vec<_>>>()?;
            Ok(arrays.into_iter().flatten().collect())
        }),
    }
}

impl Subset {
    fn of(&self, files: &HashMap<String, Vec<u8>>) -> anyhow::Result<[Vec<u8>; 2]> {
        let file = |name: &str| {
            let path = format!("datasets/{}/{name}", self.folder);
            files.get(&path).with_context(|| format!("it has no {path}"))
        };
        let names = match &self.source {
            Source::Names(names) => names.clone(),
            Source::Labels(count) => {
                let names = labels(&String::from_utf8_lossy(file("y_labels.csv")?))?;
                ensure!(names.len() == *count, "y_labels.csv names {} files instead of {count}", names.len());
                names
            }
        };
        let mut inputs = Vec::new();
        for (name, _) in &names {
            inputs.extend_from_slice(file(name)?);
        }
        Ok([inputs, names.into_iter().map(|(_, label)| label).collect()])
    }
}

fn labels(text: &str) -> anyhow::Result<Vec<(String, u8)>> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        match fields.as_slice() {
            [name, _, label, ..] => Some((name.to_string(), label.parse().ok()?)),
            _ => None,
        }
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|text| line(text).with_context(|| format!("y_labels.csv has a line {text:?}"))).collect()
}
