//! This computer: which operating system it runs, what is on its PATH, and how its packages are installed.

use std::path::{Path, PathBuf};

/// Who installs software here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Apt,
    Dnf,
    Pacman,
    Zypper,
    Apk,
    Brew,
    Winget,
    Unknown,
}

/// The operating system, as far as it matters for installing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) manager: Manager,
    /// `debian`, `ubuntu`, `fedora`, ...
    id: String,
    /// `bookworm`.
    codename: String,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn this() -> Self {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self::of(std::env::consts::OS, &release)
    }

    fn of(os: &str, release: &str) -> Self {
        let field = |name: &str| {
            let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches('"').to_string()
        };
        let (id, like) = (field("ID"), field("ID_LIKE"));
        let is = |family: &str| id == family || like.split_whitespace().any(|other| other == family);
        let manager = match os {
            "macos" => Manager::Brew,
            "windows" => Manager::Winget,
            _ if is("debian") || is("ubuntu") => Manager::Apt,
            _ if is("fedora") || is("rhel") => Manager::Dnf,
            _ if is("arch") => Manager::Pacman,
            _ if is("suse") || is("opensuse") || id.starts_with("opensuse") => Manager::Zypper,
            _ if is("alpine") => Manager::Apk,
            _ => Manager::Unknown,
        };
        Self { manager, id, codename: field("VERSION_CODENAME") }
    }

    /// The suite with newer packages, where the distribution's QEMU is older than 9 and such a suite has a newer one.
    pub(crate) fn backports(&self) -> Option<String> {
        (self.id == "debian" && self.codename == "bookworm").then(|| format!("{}-backports", self.codename))
    }

    /// What one types to install packages.
    pub(crate) fn install_line(&self, packages: &[&str]) -> String {
        let packages = packages.join(" ");
        match self.manager {
            Manager::Apt => match self.backports().filter(|_| packages.contains("qemu")) {
                Some(suite) => format!("sudo apt-get install -t {suite} {packages}"),
                None => format!("sudo apt-get install {packages}"),
            },
            Manager::Dnf => format!("sudo dnf install {packages}"),
            Manager::Pacman => format!("sudo pacman -S {packages}"),
            Manager::Zypper => format!("sudo zypper install {packages}"),
            Manager::Apk => format!("sudo apk add {packages}"),
            Manager::Brew => format!("brew install {packages}"),
            Manager::Winget => format!("winget install {packages}"),
            Manager::Unknown => format!("install {packages} with this system's package manager"),
        }
    }

    /// The packages that hold a QEMU program.
    pub(crate) fn qemu_packages(&self, program: &str) -> Vec<&'static str> {
        let system = program.starts_with("qemu-system");
        vec![match self.manager {
            Manager::Apt if system => "qemu-system-arm",
            Manager::Apt => "qemu-user",
            Manager::Dnf if system => "qemu-system-arm-core",
            Manager::Dnf => "qemu-user",
            Manager::Pacman if system => "qemu-system-arm",
            Manager::Pacman => "qemu-user",
            Manager::Zypper if system => "qemu-arm",
            Manager::Zypper => "qemu-linux-user",
            Manager::Apk if system => "qemu-system-arm",
            Manager::Apk => "qemu-aarch64",
            Manager::Winget => "SoftwareFreedomConservancy.QEMU",
            Manager::Brew | Manager::Unknown => "qemu",
        }]
    }

    /// The packages that hold `ssh` and `scp`.
    pub(crate) fn ssh_packages(&self) -> Vec<&'static str> {
        vec![match self.manager {
            Manager::Apt | Manager::Apk => "openssh-client",
            Manager::Dnf | Manager::Zypper => "openssh-clients",
            _ => "openssh",
        }]
    }

    /// The packages of a Vulkan driver that needs no graphics card.
    pub(crate) fn vulkan_packages(&self) -> Vec<&'static str> {
        match self.manager {
            Manager::Apt => vec!["mesa-vulkan-drivers", "libvulkan1"],
            Manager::Pacman => vec!["vulkan-swrast", "vulkan-icd-loader"],
            Manager::Zypper => vec!["libvulkan_lvp", "libvulkan1"],
            Manager::Apk => vec!["mesa-vulkan-swrast", "vulkan-loader"],
            _ => vec!["mesa-vulkan-drivers", "vulkan-loader"],
        }
    }
}

/// A program on the PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// Whether one of these folders holds a file whose name passes.
pub(crate) fn any_file(folders: &[&Path], passes: impl Fn(&str) -> bool) -> bool {
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    files.filter_map(Result::ok).any(|entry| entry.file_name().to_str().is_some_and(&passes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";

    #[test]
    fn systems_are_recognised() {
        assert_eq!(Machine::of("linux", BOOKWORM).manager, Manager::Apt);
        assert_eq!(Machine::of("linux", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n").manager, Manager::Apt);
        assert_eq!(Machine::of("linux", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n").manager, Manager::Dnf);
        assert_eq!(Machine::of("linux", "ID=\"opensuse-tumbleweed\"\n").manager, Manager::Zypper);
        assert_eq!(Machine::of("linux", "").manager, Manager::Unknown);
        assert_eq!(Machine::of("macos", "").manager, Manager::Brew);
    }

    #[test]
    fn debian_12_takes_qemu_from_backports() {
        let bookworm = Machine::of("linux", BOOKWORM);
        assert_eq!(
            bookworm.install_line(&["qemu-system-arm"]),
            "sudo apt-get install -t bookworm-backports qemu-system-arm"
        );
        assert_eq!(bookworm.install_line(&["libvulkan1"]), "sudo apt-get install libvulkan1");
        assert_eq!(Machine::of("linux", "ID=ubuntu\nVERSION_CODENAME=noble\n").backports(), None);
    }
}
