//! Hashes: of networks, samples and recipes, and the keys that say whether stored results are stale.

use crate::{Context, DataSet, Project, Recipe};
use burn::module::Module;
use niwaki_graph::Graph;
use niwaki_train::Samples;
use sha2::{Digest, Sha256};

fn hash_graph(hasher: &mut Sha256, graph: &Graph) {
    hasher.update(graph.to_string());
    for param in &graph.params {
        param.data.iter().for_each(|x| hasher.update(x.to_le_bytes()));
    }
}

fn hash_data(hasher: &mut Sha256, data: &DataSet) {
    let more = data.more.iter().map(|(_, samples)| samples);
    [&data.train, &data.test].into_iter().chain(more).for_each(|samples| hash_samples(hasher, samples));
}

fn hash_samples(hasher: &mut Sha256, samples: &Samples) {
    samples.inputs.iter().for_each(|x| hasher.update(x.to_le_bytes()));
    samples.labels.iter().for_each(|label| hasher.update((*label as u64).to_le_bytes()));
    samples.targets.iter().for_each(|x| hasher.update(x.to_le_bytes()));
}

/// Hash of a network, weights included.
pub(crate) fn graph_sha256(graph: &Graph) -> String {
    let mut hasher = Sha256::new();
    hash_graph(&mut hasher, graph);
    hex(&hasher.finalize())
}

/// Hash of a set of samples.
pub(crate) fn samples_sha256(samples: &Samples) -> String {
    let mut hasher = Sha256::new();
    hash_samples(&mut hasher, samples);
    hex(&hasher.finalize())
}

/// Hash over the recipe, the weights and the data: what a blob's manifest carries.
pub(crate) fn recipe_hash<M: Module>(project: &Project<M>, context: &Context, graph: &Graph, data: &DataSet) -> String {
    let mut hasher = Sha256::new();
    let recipe = Recipe { train: None, ..context.recipe.clone() };
    hasher.update(format!("niwaki {} {} {recipe:?}", env!("CARGO_PKG_VERSION"), project.name));
    hash_graph(&mut hasher, graph);
    hash_data(&mut hasher, data);
    hex(&hasher.finalize())
}

pub(crate) fn training_key<M: Module>(
    project: &Project<M>,
    context: &Context,
    fresh: &Graph,
    data: &DataSet,
) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{} {} {:?}", project.name, context.recipe.seed, context.recipe.train));
    hash_graph(&mut hasher, fresh);
    hash_data(&mut hasher, data);
    keyed(&hex(&hasher.finalize()))
}

/// A key for stored results: they are stale once the program that made them changed.
pub(crate) fn keyed(hash: &str) -> String {
    let program = std::env::current_exe().and_then(std::fs::read).unwrap_or_default();
    format!("{hash}-{}", &hex(&Sha256::digest(program))[..16])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn hash_bytes(hex: &str) -> [u8; 32] {
    let byte = |place: usize| hex.get(2 * place..2 * place + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    std::array::from_fn(|place| byte(place).unwrap_or(0))
}
