//! The drive that a board shows to be flashed: found, or asked for, and written.

use crate::{progress, reach::serial};
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long an operating system may take to mount the drive after the board was asked for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes `image` to the drive whose `Board-ID` this is. A board that runs our firmware is asked for its drive.
pub(crate) fn flash(image: &[u8], id: &str, named: Option<&Path>, port: Option<&str>, usb: &str) -> anyhow::Result<()> {
    let mut volume = find(id, named)?;
    if volume.is_none() && serial::ask_for_boot_loader(port, usb) {
        let spinner = progress::spinner("waiting for the board's drive");
        let start = Instant::now();
        while volume.is_none() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(200));
            volume = find(id, named)?;
        }
        drop(spinner);
    }
    let volume = volume.with_context(|| {
        format!(
            "no drive of a {id} is mounted{}: hold the board's BOOTSEL button while you connect it, mount the drive that \
             appears, and try again; --volume names its folder if it is not found",
            named.map(|folder| format!(" at {}", folder.display())).unwrap_or_default()
        )
    })?;
    write(image, &volume.join("niwaki.uf2"))
}

fn write(image: &[u8], path: &Path) -> anyhow::Result<()> {
    let mut file = fs::File::create(path).with_context(|| path.display().to_string())?;
    file.write_all(image).with_context(|| path.display().to_string())?;
    // The board starts the firmware as soon as it has all of it, and its drive goes: an error here says nothing.
    let _ = file.sync_all();
    Ok(())
}

/// The folder where the drive is mounted.
fn find(id: &str, named: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    if let Some(folder) = named {
        // Not mounted, as long as our firmware runs.
        let Some(found) = board_id(folder) else { return Ok(None) };
        ensure!(found == id, "{} is the drive of another board: {found}, not {id}", folder.display());
        return Ok(Some(folder.to_path_buf()));
    }
    let mut found = candidates().into_iter().filter(|folder| board_id(folder).as_deref() == Some(id));
    let first = found.next();
    if let (Some(first), Some(second)) = (&first, found.next()) {
        bail!(
            "two drives of a {id} are mounted, {} and {}: choose one with --volume",
            first.display(),
            second.display()
        );
    }
    Ok(first)
}

/// What its INFO_UF2.TXT says it is.
fn board_id(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("INFO_UF2.TXT")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix("Board-ID:")?.trim().to_string()))
}

/// Where operating systems mount drives.
fn candidates() -> Vec<PathBuf> {
    let user = std::env::var("USER").unwrap_or_default();
    let mut parents: Vec<PathBuf> = ["/Volumes", "/media", "/mnt"].map(PathBuf::from).to_vec();
    parents.extend(["/media", "/run/media"].map(|parent| Path::new(parent).join(&user)));
    let entries = parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten();
    let mut folders: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    folders.extend(('D'..='Z').filter(|_| cfg!(windows)).map(|drive| PathBuf::from(format!("{drive}:\\"))));
    folders.sort();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_known_by_its_board_id() {
        let folder = tempfile::tempdir().unwrap();
        let find = |id| find(id, Some(folder.path())).map_err(|error| error.to_string());
        assert_eq!(find("RPI-RP2"), Ok(None));
        let info = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n";
        fs::write(folder.path().join("INFO_UF2.TXT"), info).unwrap();
        assert_eq!(find("RPI-RP2").unwrap().as_deref(), Some(folder.path()));
        assert!(find("RP2350").unwrap_err().ends_with("is the drive of another board: RPI-RP2, not RP2350"));
    }

    #[test]
    fn an_image_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("INFO_UF2.TXT"), "Board-ID: RPI-RP2\r\n").unwrap();
        flash(&[7; 1536], "RPI-RP2", Some(folder.path()), None, "2e8a:000a").unwrap();
        assert_eq!(fs::read(folder.path().join("niwaki.uf2")).unwrap(), [7; 1536]);
    }

    #[test]
    fn no_drive_says_which_button() {
        let error = flash(&[], "NO-SUCH-BOARD", None, Some("/dev/no-such-port"), "2e8a:000a").unwrap_err().to_string();
        assert!(
            error.starts_with("no drive of a NO-SUCH-BOARD is mounted: hold the board's BOOTSEL button"),
            "{error}"
        );
    }
}
