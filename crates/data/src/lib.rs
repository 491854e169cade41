//! Data sets on disk.
//!
//! The environment variable [`VARIABLE`] names a folder with one subfolder per data set. A data set's arrays are files
//! of their own: elements in C order, little-endian, no header; `NAME.u8` holds bytes, `.i8` signed bytes, `.f32`
//! 32-bit floats. A file may be compressed: `NAME.u8.xz`.

mod needs;

pub use needs::{Download, MODELS, Needs};

use std::path::{Path, PathBuf};

/// The environment variable that names the folder.
pub const VARIABLE: &str = "NIWAKI_DATA";

/// The folder with the data sets.
#[derive(Clone, Debug)]
pub struct DataFolder {
    root: PathBuf,
    /// The model that asks.
    needs: Option<&'static Needs>,
}

/// Data that is not there or not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The variable is not set.
    #[error("{VARIABLE} is not set: it names the folder with the data sets{}", remedy(.0))]
    Unset(Option<&'static Needs>),
    /// The variable names something else.
    #[error("{VARIABLE}={0} is not a folder")]
    NoFolder(String),
    /// A file is missing.
    #[error("{folder} has no {file}{}", remedy(.needs))]
    Missing {
        /// The folder with the data sets.
        folder: String,
        /// Path in it.
        file: String,
        /// The model that asks.
        needs: Option<&'static Needs>,
    },
    /// A file cannot be read or decompressed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system or the decoder said.
        source: std::io::Error,
    },
    /// A file has another length than its array.
    #[error("{path} holds {found} bytes, an array {shape:?} takes {expected}: the file is incomplete, fetch it again")]
    Length {
        /// The file.
        path: String,
        /// Shape of the array.
        shape: Vec<usize>,
        /// Bytes that the array takes.
        expected: usize,
        /// Bytes there are, decompressed.
        found: usize,
    },
}

impl DataFolder {
    /// The folder that [`VARIABLE`] names.
    pub fn from_environment() -> Result<Self, DataError> {
        Self::open(None)
    }

    /// The same for a model of this repository: errors say how its data is had.
    pub fn of_model(model: &str) -> Result<Self, DataError> {
        Self::open(Needs::of(model))
    }

    fn open(needs: Option<&'static Needs>) -> Result<Self, DataError> {
        let root = std::env::var_os(VARIABLE).map(PathBuf::from).ok_or(DataError::Unset(needs))?;
        match root.is_dir() {
            true => Ok(Self { root, needs }),
            false => Err(DataError::NoFolder(root.display().to_string())),
        }
    }

    /// A folder of this layout.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), needs: None }
    }

    /// Where a file of a data set is.
    ///
    /// # Errors
    /// [`DataError::Missing`] where there is none.
    pub fn file(&self, file: &str) -> Result<PathBuf, DataError> {
        let path = self.root.join(file);
        match path.is_file() {
            true => Ok(path),
            false => {
                let folder = self.root.display().to_string();
                Err(DataError::Missing { folder, file: file.into(), needs: self.needs })
            }
        }
    }

    /// An array of bytes of this shape, such as `train/mnist/train.u8`.
    pub fn u8(&self, file: &str, shape: &[usize]) -> Result<Vec<u8>, DataError> {
        self.bytes(file, shape, 1)
    }

    /// An array of signed bytes.
    pub fn i8(&self, file: &str, shape: &[usize]) -> Result<Vec<i8>, DataError> {
        Ok(self.bytes(file, shape, 1)?.into_iter().map(u8::cast_signed).collect())
    }

    /// An array of 32-bit floats.
    pub fn f32(&self, file: &str, shape: &[usize]) -> Result<Vec<f32>, DataError> {
        let bytes = self.bytes(file, shape, 4)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    fn bytes(&self, file: &str, shape: &[usize], width: usize) -> Result<Vec<u8>, DataError> {
        let expected = shape.iter().product::<usize>() * width;
        let plain = self.file(file);
        let path = plain.or_else(|missing| self.file(&format!("{file}.xz")).map_err(|_| missing))?;
        let bytes = read(&path).map_err(|source| DataError::File { path: path.display().to_string(), source })?;
        match bytes.len() == expected {
            true => Ok(bytes),
            false => Err(DataError::Length {
                path: path.display().to_string(),
                shape: shape.to_vec(),
                expected,
                found: bytes.len(),
            }),
        }
    }
}

/// What follows in an error that a download would mend.
fn remedy(needs: &Option<&'static Needs>) -> String {
    needs.map(|needs| format!("; {needs}")).unwrap_or_default()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(bytes);
    }
    let mut whole = Vec::new();
    std::io::Read::read_to_end(&mut lzma_rust2::XzReader::new(bytes.as_slice(), true), &mut whole)?;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, DataFolder) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = DataFolder::new(folder.path());
        (folder, data)
    }

    #[test]
    fn arrays_are_little_endian_and_signed() {
        let (root, data) = folder();
        std::fs::write(root.path().join("a.i8"), [0xff, 0x7f]).expect("written");
        std::fs::write(root.path().join("b.f32"), [0, 0, 0x80, 0x3f]).expect("written");
        assert_eq!(data.i8("a.i8", &[2]).expect("read"), [-1, 127]);
        assert_eq!(data.f32("b.f32", &[1, 1]).expect("read"), [1.0]);
    }

    #[test]
    fn compressed_arrays_are_found_by_their_plain_name() {
        let (root, data) = folder();
        let mut packed = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).expect("an encoder");
        std::io::Write::write_all(&mut packed, &[1, 2, 3]).expect("compressed");
        std::fs::write(root.path().join("x.u8.xz"), packed.finish().expect("compressed")).expect("written");
        assert_eq!(data.u8("x.u8", &[3]).expect("read"), [1, 2, 3]);
    }

    #[test]
    fn what_is_missing_or_short_is_named() {
        let (root, data) = folder();
        let missing = data.u8("eval/x.u8", &[1]).expect_err("no file").to_string();
        assert!(missing.ends_with("has no eval/x.u8"), "{missing}");
        let data = DataFolder { needs: Needs::of("ic"), ..data };
        let missing = data.u8("eval/x.u8", &[1]).expect_err("no file").to_string();
        assert!(missing.contains("has no eval/x.u8; `cargo xtask data ic` downloads "), "{missing}");
        std::fs::write(root.path().join("x.u8"), [0; 5]).expect("written");
        let short = data.u8("x.u8", &[2, 3]).expect_err("too short").to_string();
        assert!(short.contains("holds 5 bytes, an array [2, 3] takes 6"), "{short}");
        std::fs::write(root.path().join("broken.u8.xz"), [0; 40]).expect("written");
        assert!(matches!(data.u8("broken.u8", &[1]), Err(DataError::File { .. })));
    }
}
