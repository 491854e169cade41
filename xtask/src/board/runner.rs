//! How a board's firmware is run: on QEMU, as a process, or on the board itself.

use crate::toolchain::{Need, older_qemu};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::{path::Path, process::Command};

/// How a firmware is run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Runner {
    /// On a machine that QEMU emulates.
    Qemu {
        machine: String,
        /// An instruction takes 2^shift nanoseconds of emulated time.
        icount_shift: u8,
        args: Vec<String>,
        /// The first QEMU that can, `9.1`; absent if any can.
        since: Option<String>,
    },
    /// As a process, which is given the blob's path.
    Process {},
    /// As such a process of another architecture, whose instructions QEMU translates; its system calls are this
    /// machine's.
    QemuUser {
        /// What QEMU calls the core: decides which instructions there are.
        cpu: String,
    },
    /// On a microcontroller that the installed `probe-rs` flashes; the link is a serial port.
    ProbeRs {
        /// What probe-rs calls the chip.
        chip: String,
        /// The serial port's USB identity, `0483:374b`.
        usb: String,
    },
    /// On a microcontroller that takes a UF2 file on the drive that it shows; the link is a serial port.
    Uf2 {
        /// The `Board-ID` in the drive's INFO_UF2.TXT.
        volume: String,
        /// The UF2 family.
        family: u32,
        /// The serial port's USB identity.
        usb: String,
    },
    /// As a process on another computer.
    Ssh {
        /// `pi@raspberrypi.local`; `--host` says otherwise.
        host: Option<String>,
        /// Its core, where that is not the board's usual one: decides how layers are laid out.
        core: Option<String>,
    },
}

impl Runner {
    /// Its `kind`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Qemu { .. } => "qemu",
            Self::Process {} => "process",
            Self::QemuUser { .. } => "qemu-user",
            Self::ProbeRs { .. } => "probe-rs",
            Self::Uf2 { .. } => "uf2",
            Self::Ssh { .. } => "ssh",
        }
    }

    /// The core that it runs on, where that is not simply the board's.
    pub(crate) fn core(&self) -> Option<&str> {
        match self {
            Self::QemuUser { cpu } => Some(cpu),
            Self::Ssh { core, .. } => core.as_deref(),
            _ => None,
        }
    }

    /// Whether instructions are emulated: what it may say of time means nothing.
    pub(crate) fn emulated(&self) -> bool {
        matches!(self, Self::Qemu { .. } | Self::QemuUser { .. })
    }

    /// Whether the firmware is a process, which reads the blob when it starts, and has no flash or RAM of its own.
    pub(crate) fn is_process(&self) -> bool {
        matches!(self, Self::Process {} | Self::QemuUser { .. } | Self::Ssh { .. })
    }

    /// Whether the link is a serial port.
    pub(crate) fn is_serial(&self) -> bool {
        matches!(self, Self::ProbeRs { .. } | Self::Uf2 { .. })
    }

    /// What runs a firmware, in words.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Qemu { machine, .. } => format!("QEMU ({machine})"),
            Self::Process {} => "a process".into(),
            Self::QemuUser { cpu } => format!("QEMU (a process, {cpu})"),
            Self::ProbeRs { chip, .. } => format!("probe-rs ({chip})"),
            Self::Uf2 { .. } => "UF2".into(),
            Self::Ssh { host, .. } => format!("ssh ({})", host.as_deref().unwrap_or("--host")),
        }
    }

    /// What has to be installed to run a firmware for `target`.
    pub(crate) fn needs(&self, target: Option<&str>) -> Vec<Need> {
        match self {
            Self::Qemu { .. } | Self::QemuUser { .. } => vec![Need::Qemu(self.qemu(target).into())],
            Self::Process {} | Self::Uf2 { .. } => Vec::new(),
            Self::ProbeRs { .. } => vec![Need::ProbeRs],
            Self::Ssh { .. } => vec![Need::Ssh],
        }
    }

    /// The QEMU program that emulates it.
    pub(crate) fn qemu(&self, target: Option<&str>) -> &'static str {
        let architecture = target.unwrap_or_default().split('-').next().unwrap_or_default();
        match (self, architecture) {
            (Self::QemuUser { .. }, "aarch64") => "qemu-aarch64",
            (Self::QemuUser { .. }, _) => "qemu-arm",
            (_, "aarch64") => "qemu-system-aarch64",
            (_, "riscv32imc" | "riscv32imac") => "qemu-system-riscv32",
            _ => "qemu-system-arm",
        }
    }

    /// Why this machine's QEMU cannot run it; `None` if it can.
    pub(crate) fn too_old(&self, target: Option<&str>) -> Option<String> {
        let Self::Qemu { since: Some(since), machine, .. } = self else { return None };
        let here = older_qemu(self.qemu(target), version(since).ok()?)?;
        Some(format!("QEMU emulates {machine} well enough from {since} on, and here is {here}"))
    }

    /// The command that runs a firmware, with the link on its standard input and output.
    pub(crate) fn command(&self, target: Option<&str>, firmware: &Path, blob: &Path) -> anyhow::Result<Command> {
        Ok(match self {
            Self::Qemu { machine, icount_shift, args, .. } => {
                let mut command = Command::new(self.qemu(target));
                command.args(["-machine", machine, "-icount", &format!("shift={icount_shift}")]);
                command.args(args).arg("-kernel").arg(firmware);
                command
            }
            Self::Process {} => {
                let mut command = Command::new(firmware);
                command.arg(blob);
                command
            }
            Self::QemuUser { cpu } => {
                let mut command = Command::new(self.qemu(target));
                command.args(["-cpu", cpu]).arg(firmware).arg(blob);
                command
            }
            Self::ProbeRs { .. } | Self::Uf2 { .. } | Self::Ssh { .. } => bail!("{} runs on the board", self.name()),
        })
    }

    /// Fails on values that no such runner can have.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Qemu { since: Some(since), .. } => version(since).map(|_| ()),
            Self::ProbeRs { usb, .. } | Self::Uf2 { usb, .. } => usb_identity(usb).map(|_| ()),
            _ => Ok(()),
        }
    }
}

fn version(text: &str) -> anyhow::Result<(u32, u32)> {
    let parts = text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts.with_context(|| format!("\"{text}\" is no version of QEMU; one is 9.1"))
}

/// Vendor and product from `0483:374b`.
pub(crate) fn usb_identity(text: &str) -> anyhow::Result<(u16, u16)> {
    let number = |digits: &str| u16::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4);
    let parts = text.split_once(':').and_then(|(vendor, product)| Some((number(vendor)?, number(product)?)));
    let identity = parts.with_context(|| format!("\"{text}\" is no USB identity; one is 0483:374b"))?;
    ensure!(identity != (0, 0), "\"{text}\" is no USB identity; one is 0483:374b");
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usb_identity_is_two_hexadecimal_numbers() {
        assert_eq!(usb_identity("0483:374b").unwrap(), (0x0483, 0x374b));
        for wrong in ["0483", "0483:", "483:374b", "0483:374x", "0000:0000"] {
            assert!(usb_identity(wrong).unwrap_err().to_string().contains("one is 0483:374b"), "{wrong}");
        }
    }

    #[test]
    fn an_old_qemu_is_told_with_both_versions() {
        let runner = |since: &str| Runner::Qemu {
            machine: "m".into(),
            icount_shift: 8,
            args: Vec::new(),
            since: Some(since.into()),
        };
        let said = runner("99.0").too_old(Some("thumbv6m-none-eabi")).unwrap();
        assert!(said.starts_with("QEMU emulates m well enough from 99.0 on, and here is "), "{said}");
        assert!(runner("nine").check().is_err());
    }
}
