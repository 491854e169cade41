//! Which crate may depend on which: the one-way street of ARCHITECTURE.md, checked on `cargo metadata`.

use crate::cargo;
use anyhow::{Context, ensure};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Our crates that know no Burn, and those of ours that each may use. Whatever is not in a list is forbidden; a crate
/// in crates/ that is in neither table is an error, so that a new one gets its place here.
const BURN_FREE: &[(&str, &[&str])] = &[
    ("niwaki-blob", &[]),
    ("niwaki-link", &[]),
    ("niwaki-kernels", &["niwaki-blob"]),
    ("niwaki", &["niwaki-blob", "niwaki-kernels"]),
    ("niwaki-graph", &[]),
    ("niwaki-data", &[]),
    ("niwaki-fetch", &["niwaki-data", "niwaki-features"]),
    ("niwaki-features", &[]),
    ("niwaki-prune", &["niwaki-graph"]),
    ("niwaki-quantise", &["niwaki-graph"]),
    ("niwaki-plan", &["niwaki-graph", "niwaki-quantise"]),
    ("niwaki-pack", &["niwaki-plan", "niwaki-blob", "niwaki-kernels"]),
    ("xtask", &["niwaki-blob", "niwaki-data", "niwaki-features", "niwaki-link", "niwaki-pack"]),
    ("niwaki-cycles", &[]),
];

/// Our crates on Burn, and those of ours that each may use.
const ON_BURN: &[(&str, &[&str])] = &[
    ("niwaki-capture", &["niwaki-graph"]),
    ("niwaki-train", &["niwaki-graph"]),
    (
        "niwaki-compile",
        &[
            "niwaki-blob",
            "niwaki-capture",
            "niwaki-graph",
            "niwaki-pack",
            "niwaki-plan",
            "niwaki-prune",
            "niwaki-quantise",
            "niwaki-train",
            "niwaki",
        ],
    ),
];

/// Crates that run on a device, and what else each may use: small, `no_std`, without an allocator. (`thiserror` is for
/// the link's client, which is for hosts.)
const ON_DEVICE: &[(&str, &[&str])] = &[
    ("niwaki-blob", &["bytemuck", "crc", "defmt", "heapless", "postcard", "serde"]),
    ("niwaki-link", &["cobs", "crc", "heapless", "postcard", "serde", "thiserror"]),
    ("niwaki-kernels", &["defmt", "heapless"]),
    // rayon-core is optional, for computers with several cores.
    ("niwaki", &["defmt", "heapless", "rayon-core"]),
    ("niwaki-features", &[]),
];

/// Host crates, which nothing in boards/ may use.
const HOST_ONLY: &[&str] = &[
    "niwaki-data",
    "niwaki-fetch",
    "niwaki-graph",
    "niwaki-prune",
    "niwaki-quantise",
    "niwaki-plan",
    "niwaki-pack",
    "niwaki-capture",
    "niwaki-train",
    "niwaki-compile",
    "xtask",
];

/// A workspace's packages and the edges between them, without those for tests only.
#[derive(Default)]
pub(crate) struct Dependencies {
    /// The packages of the workspace itself.
    members: BTreeSet<String>,
    /// Of them, those that lie in crates/.
    in_crates: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Dependencies {
    /// Asks cargo.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let output = cargo::cargo(folder).args(["metadata", "--format-version", "1", "--quiet"]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cargo metadata failed in {}: {}", folder.display(), said.trim());
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        Ok(metadata.dependencies())
    }

    /// Everything that a package needs, directly or not.
    fn reach(&self, package: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = self.edges.get(package).into_iter().flatten().map(String::as_str).collect();
        while let Some(name) = next.pop() {
            if seen.insert(name) {
                next.extend(self.edges.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        seen
    }

    /// Members that need no Burn.
    pub(crate) fn without_burn(&self) -> Vec<String> {
        let free = |name: &&String| !self.reach(name).into_iter().any(is_burn);
        self.members.iter().filter(free).cloned().collect()
    }

    /// Members that need Burn.
    pub(crate) fn with_burn(&self) -> Vec<String> {
        let free = self.without_burn();
        self.members.iter().filter(|name| !free.contains(name)).cloned().collect()
    }

    /// The edges that the host workspace must not have.
    pub(crate) fn broken_rules(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let known = |name: &str| BURN_FREE.iter().chain(ON_BURN).any(|(package, _)| *package == name);
        for package in self.in_crates.iter().filter(|package| !known(package)) {
            broken.push(format!("{package} has no place in xtask/src/rules.rs yet"));
        }
        for (package, allowed) in BURN_FREE.iter().chain(ON_BURN) {
            let ours = self.edges.get(*package).into_iter().flatten().filter(|name| known(name));
            let wrong = ours.filter(|name| !allowed.contains(&name.as_str()));
            broken.extend(wrong.map(|name| format!("{package} must not depend on {name}")));
        }
        for (package, _) in BURN_FREE {
            let burn = self.reach(package).into_iter().find(|name| is_burn(name));
            broken.extend(burn.map(|name| format!("{package} must know no Burn, but needs {name}")));
        }
        for (package, allowed) in ON_DEVICE {
            let others = self.edges.get(*package).into_iter().flatten().filter(|name| !known(name));
            let wrong = others.filter(|name| !allowed.contains(&name.as_str()));
            broken.extend(wrong.map(|name| format!("{package} runs on devices and must not depend on {name}")));
        }
        broken
    }

    /// The edges that the workspace of the boards must not have.
    pub(crate) fn broken_on_boards(&self) -> Vec<String> {
        let wrong = |name: &&str| is_burn(name) || HOST_ONLY.contains(name);
        let of = |package: &String| {
            let wrong = self.reach(package).into_iter().filter(wrong);
            wrong.map(|name| format!("{package} runs on devices and must not need {name}")).collect::<Vec<_>>()
        };
        self.members.iter().flat_map(of).collect()
    }
}

fn is_burn(name: &str) -> bool {
    name == "burn" || ["burn-", "cubecl", "wgpu"].iter().any(|start| name.starts_with(start))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl Metadata {
    fn dependencies(&self) -> Dependencies {
        let names: BTreeMap<&str, &str> = self.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let name = |id: &str| names.get(id).map_or(id, |name| name).to_string();
        let members = || self.packages.iter().filter(|package| self.workspace_members.contains(&package.id));
        let in_crates = |package: &&Package| {
            let folder = Path::new(&package.manifest_path).parent().and_then(Path::parent);
            folder.is_some_and(|folder| folder.ends_with("crates"))
        };
        let used =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in &self.resolve.nodes {
            let used = node.deps.iter().filter(used).map(|dependency| name(&dependency.pkg));
            // There may be several versions of a package.
            edges.entry(name(&node.id)).or_default().extend(used);
        }
        Dependencies {
            members: members().map(|package| package.name.clone()).collect(),
            in_crates: members().filter(in_crates).map(|package| package.name.clone()).collect(),
            edges,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependencies(edges: &[(&str, &[&str])]) -> Dependencies {
        let set = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
        let members: Vec<&str> =
            edges.iter().map(|(name, _)| *name).filter(|name| name.starts_with("niwaki")).collect();
        Dependencies {
            members: set(&members),
            in_crates: set(&members),
            edges: edges.iter().map(|(name, to)| (name.to_string(), set(to))).collect(),
        }
    }

    #[test]
    fn a_device_crate_that_knows_a_host_crate_is_found() {
        let broken = dependencies(&[("niwaki-kernels", &["niwaki-blob", "niwaki-graph"])]).broken_rules();
        assert_eq!(broken, ["niwaki-kernels must not depend on niwaki-graph"]);
    }

    #[test]
    fn burn_is_found_behind_other_crates() {
        let broken = dependencies(&[("niwaki-prune", &["helper"]), ("helper", &["burn-tensor"])]).broken_rules();
        assert_eq!(broken, ["niwaki-prune must know no Burn, but needs burn-tensor"]);
    }

    #[test]
    fn a_device_crate_takes_only_what_is_listed() {
        let broken = dependencies(&[("niwaki", &["niwaki-blob", "rand"])]).broken_rules();
        assert_eq!(broken, ["niwaki runs on devices and must not depend on rand"]);
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        let broken = dependencies(&[("niwaki-new", &[])]).broken_rules();
        assert_eq!(broken, ["niwaki-new has no place in xtask/src/rules.rs yet"]);
    }

    #[test]
    fn boards_know_no_host_crate() {
        let broken = dependencies(&[("niwaki-board", &["niwaki"]), ("niwaki", &["niwaki-pack"])]).broken_on_boards();
        assert!(
            broken.contains(&"niwaki-board runs on devices and must not need niwaki-pack".to_string()),
            "{broken:?}"
        );
    }

    #[test]
    fn members_are_parted_by_burn() {
        let all = dependencies(&[("niwaki-train", &["burn"]), ("niwaki-blob", &[])]);
        assert_eq!((all.with_burn(), all.without_burn()), (vec!["niwaki-train".into()], vec!["niwaki-blob".into()]));
    }
}
