//! Golden vectors: what a model's networks yield for generated inputs, in a file of the model's folder.
//!
//! Inputs are generated, not stored, so that no data is: [`input`] says how. Outputs are exact, on every board.

use crate::artefact::{ArtefactError, format_error, read, write_atomically};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Its name in a model's folder.
pub const FILE: &str = "golden.json";

/// Inputs for each network.
pub const INPUTS: usize = 6;

/// What a model's networks yield.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What makes it anew.
    pub command: String,
    /// The network before pruning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpruned: Option<Vectors>,
    /// The network after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Vectors>,
}

/// Inputs of one network, and its outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    /// Bytes of an input.
    pub input_bytes: usize,
    /// Sum of all bytes of each input, as signed numbers: whoever generates others sees it here.
    pub input_sums: Vec<i64>,
    /// The int8 output for each input.
    pub outputs: Vec<Vec<i8>>,
}

/// The input with this index of a network with inputs of so many bytes: noise that changes every `2^index` bytes, so that
/// there are slow ones as well as fast ones. Each value is the upper byte of a linear congruential generator's state
/// (modulus 2^32, multiplier 1,664,525, increment 1,013,904,223, started at `index`).
pub fn input(bytes: usize, index: usize) -> Vec<i8> {
    let mut state = index as u32;
    let mut value = 0;
    let step = |at: usize| {
        if at.is_multiple_of(1 << index) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            value = (state >> 24) as u8 as i8;
        }
        value
    };
    (0..bytes).map(step).collect()
}

impl Vectors {
    /// Those of a network that computes an output from an input.
    ///
    /// # Errors
    /// As `infer`.
    pub fn of<E>(input_bytes: usize, mut infer: impl FnMut(&[i8]) -> Result<Vec<i8>, E>) -> Result<Self, E> {
        let inputs: Vec<Vec<i8>> = (0..INPUTS).map(|index| input(input_bytes, index)).collect();
        Ok(Self {
            input_bytes,
            input_sums: inputs.iter().map(|input| input.iter().map(|x| i64::from(*x)).sum()).collect(),
            outputs: inputs.iter().map(|input| infer(input)).collect::<Result<_, E>>()?,
        })
    }

    /// In what these differ from what a network was found to yield; `None` where they are equal.
    pub fn difference(&self, found: &Self) -> Option<String> {
        if self.input_bytes != found.input_bytes {
            return Some(format!("inputs have {} bytes instead of {}", found.input_bytes, self.input_bytes));
        }
        let pairs = self.outputs.iter().zip(&found.outputs).enumerate();
        let mut differing = pairs.filter(|(_, (golden, found))| golden != found);
        let first = differing.next().map(|(index, (golden, found))| (index, golden, found));
        first
            .map(|(index, golden, found)| format!("for input {index} it yields {found:?} instead of {golden:?}"))
            .or_else(|| {
                (self != found).then(|| format!("{} outputs instead of {}", found.outputs.len(), self.outputs.len()))
            })
    }
}

impl Golden {
    /// Reads it from a model's folder; `None` where there is none.
    ///
    /// # Errors
    /// [`ArtefactError::Format`] where it is not what this version writes.
    pub fn of_model(folder: &Path) -> Result<Option<Self>, ArtefactError> {
        let path = folder.join(FILE);
        match path.exists() {
            true => serde_json::from_slice(&read(&path)?).map(Some).map_err(|error| format_error(&path, error)),
            false => Ok(None),
        }
    }

    /// Writes it into a model's folder, an output on each line.
    ///
    /// # Errors
    /// [`ArtefactError::File`] where the file system refuses.
    pub fn save(&self, folder: &Path) -> Result<(), ArtefactError> {
        let mut json = serde_json::to_string_pretty(self).expect("golden vectors have string keys only");
        // Numbers of an output on one line: nobody reads a kilobyte of lines.
        for from in ["\n        ", "\n      ]"] {
            let to = if from.ends_with(']') { "]" } else { " " };
            json = json.replace(from, to);
        }
        json.push('\n');
        write_atomically(&folder.join(FILE), json.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_what_they_are_said_to_be() {
        assert_eq!(input(4, 0), [60, 71, -47, -86]);
        let slow = input(130, 5);
        assert!(slow.chunks(32).all(|run| run.iter().all(|x| *x == run[0])) && slow[0] != slow[32]);
    }

    #[test]
    fn they_are_saved_and_compared() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Golden::of_model(folder.path()).expect("nothing is wrong"), None);
        let vectors = Vectors::of(8, |input| Ok::<_, ()>(vec![input[0], input[7].wrapping_add(1)])).expect("no errors");
        let golden = Golden { command: "by hand".into(), unpruned: None, pruned: Some(vectors.clone()) };
        golden.save(folder.path()).expect("saved");
        assert_eq!(Golden::of_model(folder.path()).expect("reads"), Some(golden));
        let text = std::fs::read_to_string(folder.path().join(FILE)).expect("written");
        assert!(text.lines().count() < 40, "{text}");
        assert_eq!(vectors.difference(&vectors), None);
        let mut other = vectors.clone();
        other.outputs[2][1] ^= 1;
        let difference = vectors.difference(&other).expect("they differ");
        assert!(difference.starts_with("for input 2 it yields ["), "{difference}");
        other.outputs.truncate(1);
        assert_eq!(vectors.difference(&other).expect("they differ"), "1 outputs instead of 6");
        other.input_bytes = 9;
        assert_eq!(vectors.difference(&other).expect("they differ"), "inputs have 9 bytes instead of 8");
    }
}
