//! Graphs on disk: one safetensors file, parameters as tensors and the structure as JSON in its metadata.
//!
//! The file reloads without the user's code, at whatever shapes pruning left.

use crate::{Graph, Node, Param, Value, ValueId};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::HashMap, path::Path};

const METADATA_KEY: &str = "niwaki.graph";

/// A graph file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    /// The file system refused.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a graph.
    #[error("{path}: not a niwaki graph: {reason}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What the metadata hold; parameters are listed by name, their data are the file's tensors.
#[derive(Serialize, Deserialize)]
struct Structure<'a> {
    values: Cow<'a, [Value]>,
    params: Vec<String>,
    nodes: Cow<'a, [Node]>,
    inputs: Cow<'a, [ValueId]>,
    outputs: Cow<'a, [ValueId]>,
}

impl Graph {
    /// Writes the graph. The file appears whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), IoError> {
        let file = |source| IoError::File { path: path.display().to_string(), source };
        let structure = Structure {
            values: Cow::Borrowed(&self.values),
            params: self.params.iter().map(|param| param.name.clone()).collect(),
            nodes: Cow::Borrowed(&self.nodes),
            inputs: Cow::Borrowed(&self.inputs),
            outputs: Cow::Borrowed(&self.outputs),
        };
        let json = serde_json::to_string(&structure).expect("the structure has string keys only");
        let bytes: Vec<Vec<u8>> =
            self.params.iter().map(|param| param.data.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let views = self.params.iter().zip(&bytes).map(|(param, bytes)| {
            let view = TensorView::new(Dtype::F32, param.shape.clone(), bytes).expect("data fill their shape");
            (param.name.clone(), view)
        });
        let metadata = HashMap::from([(METADATA_KEY.to_string(), json)]);
        let whole = safetensors::serialize(views, Some(metadata))
            .map_err(|e| IoError::Format { path: path.display().to_string(), reason: e.to_string() })?;
        let part = path.with_extension("part");
        std::fs::write(&part, whole).and_then(|()| std::fs::rename(&part, path)).map_err(file)
    }

    /// Reads a graph that [`Graph::save`] wrote, and validates it.
    pub fn load(path: &Path) -> Result<Self, IoError> {
        let bytes = std::fs::read(path).map_err(|source| IoError::File { path: path.display().to_string(), source })?;
        Self::from_bytes(&bytes).map_err(|reason| IoError::Format { path: path.display().to_string(), reason })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let json = header.metadata().as_ref().and_then(|map| map.get(METADATA_KEY));
        let json = json.ok_or("the file has tensors but no graph")?;
        let structure: Structure = serde_json::from_str(json).map_err(|e| e.to_string())?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let mut params = Vec::new();
        for name in structure.params {
            let tensor = tensors.tensor(&name).map_err(|_| format!("parameter `{name}` is missing"))?;
            if tensor.dtype() != Dtype::F32 {
                return Err(format!("parameter `{name}` is {:?}, not F32", tensor.dtype()));
            }
            let words = tensor.data().as_chunks::<4>().0;
            let data = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
            params.push(Param { shape: tensor.shape().to_vec(), name, data });
        }
        let graph = Graph {
            values: structure.values.into_owned(),
            params,
            nodes: structure.nodes.into_owned(),
            inputs: structure.inputs.into_owned(),
            outputs: structure.outputs.into_owned(),
        };
        graph.validate().map_err(|e| e.to_string())?;
        Ok(graph)
    }
}
