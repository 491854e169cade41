//! Where things are: this repository, its build folder, and the folders that results go to.

use std::path::{Path, PathBuf};

/// The repository that this binary was built in, and how the user wants results.
pub(crate) struct Workplace {
    /// The repository's folder.
    pub(crate) root: PathBuf,
    /// Results go to stdout as JSON.
    pub(crate) json: bool,
    /// Where cargo builds, if not where it usually does.
    pub(crate) own_target: Option<PathBuf>,
}

impl Workplace {
    pub(crate) fn new(json: bool) -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: own.parent().unwrap_or(own).to_path_buf(), json, own_target: None }
    }

    /// Where cargo builds the host workspace and models outside this repository.
    pub(crate) fn target(&self) -> PathBuf {
        let ours = self.root.join("target");
        std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()).map_or(ours, PathBuf::from)
    }

    /// Where results about a model go; those about a point of `fit`, `MODEL@POINT`, lie among them.
    pub(crate) fn results(&self, model: &str) -> PathBuf {
        let all = self.root.join("target/niwaki");
        match model.split_once('@') {
            Some((model, point)) => all.join(model).join(crate::model::POINTS).join(point),
            None => all.join(model),
        }
    }

    /// A path as it is short and clear to print: relative to the current folder where it lies inside.
    pub(crate) fn show(&self, path: &Path) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(here).unwrap_or(path).display().to_string()
    }
}
