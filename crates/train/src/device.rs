//! Which Burn device to run on: names for the command line, and what this build can offer.

use burn::tensor::Device;
use std::{fmt, str::FromStr};

/// A Burn backend, as it is named on the command line (`--device flex`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// Burn's portable CPU backend. Always there, and the fastest of the two CPU backends.
    #[default]
    Flex,
    /// The ndarray CPU backend: a second implementation to compare with. Needs the feature `ndarray`.
    Ndarray,
    /// The GPU through wgpu, or Mesa's software rasteriser where there is none. Needs the feature `wgpu`.
    Wgpu,
}

/// A device that this build or machine does not have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// No backend has this name.
    #[error("no device is called `{0}`; there are flex, ndarray and wgpu")]
    Unknown(String),
    /// The backend was not compiled in.
    #[error("this build has no {0}; build with --features {0}")]
    NotBuilt(DeviceName),
    /// wgpu found neither a GPU nor a software rasteriser.
    #[error(
        "wgpu found no adapter: install a Vulkan driver (libvulkan1 and mesa-vulkan-drivers), or use --device flex"
    )]
    NoAdapter,
}

impl DeviceName {
    /// Every name, in the order they are documented.
    pub const ALL: [Self; 3] = [Self::Flex, Self::Ndarray, Self::Wgpu];

    /// The device, without autodiff: [`crate::fit`] and [`crate::gradients`] add that themselves.
    ///
    /// For wgpu: the first discrete GPU, else the integrated or virtual one, else the CPU adapter (Mesa's lavapipe).
    ///
    /// # Errors
    /// [`DeviceError::NotBuilt`] where the feature is off, [`DeviceError::NoAdapter`] where wgpu finds no driver.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Flex => Ok(Device::flex()),
            Self::Ndarray => ndarray(),
            Self::Wgpu => wgpu(),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
        })
    }
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let found = Self::ALL.into_iter().find(|device| device.to_string() == name);
        found.ok_or_else(|| DeviceError::Unknown(name.to_string()))
    }
}

#[cfg(feature = "ndarray")]
// Burn deprecates ndarray in favour of flex; a second implementation is what it is here for.
#[allow(deprecated)]
fn ndarray() -> Result<Device, DeviceError> {
    Ok(Device::ndarray())
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt(DeviceName::Ndarray))
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device, DeviceError> {
    use burn::tensor::{DeviceKind, DeviceType};
    // Naming an adapter that is not there panics at the first tensor, so ask first.
    let there = Device::enumerate(DeviceType::Wgpu).into_vec();
    let kinds = [DeviceKind::DiscreteGpu(0), DeviceKind::IntegratedGpu(0), DeviceKind::VirtualGpu(0), DeviceKind::Cpu];
    kinds.into_iter().map(Device::wgpu).find(|device| there.contains(device)).ok_or(DeviceError::NoAdapter)
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt(DeviceName::Wgpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for name in DeviceName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let error = "cuda".parse::<DeviceName>().expect_err("not a device here");
        assert_eq!(error.to_string(), "no device is called `cuda`; there are flex, ndarray and wgpu");
    }

    #[test]
    fn flex_is_always_there() {
        assert!(DeviceName::default().open().is_ok());
    }

    #[test]
    #[cfg(not(feature = "wgpu"))]
    fn a_missing_feature_says_how_to_get_it() {
        let error = DeviceName::Wgpu.open().expect_err("feature is off");
        assert_eq!(error.to_string(), "this build has no wgpu; build with --features wgpu");
    }
}
