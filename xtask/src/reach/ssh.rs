//! A board that is another computer.

use crate::{board::Place, reach::run};
use anyhow::ensure;
use std::{path::Path, process::Command};

/// No questions, which nobody would see, and no waiting for a computer that is not there.
const OPTIONS: [&str; 4] = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"];

/// Copies firmware and blob to a new folder there, and gives the command that runs them. The folder goes when that ends.
/// They get what `place` says of triggers and threads.
pub(crate) fn command(host: &str, firmware: &Path, blob: &Path, place: &Place) -> anyhow::Result<Command> {
    // It goes into a command line.
    let is_line = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == ':');
    ensure!(place.trigger.as_deref().is_none_or(is_line), "--trigger is a GPIO chip and a line of it: gpiochip0:17");
    let options: String = place.options().iter().map(|option| format!(" {option}")).collect();
    ensure!(!host.starts_with('-') && !host.is_empty(), "\"{host}\" is no name of a computer");
    let remedy = format!("try `ssh {host}`: it must work without a question (`ssh-copy-id {host}` copies your key)");
    let mut make = Command::new("ssh");
    make.args(OPTIONS).args([host, "mktemp -d /tmp/niwaki-XXXXXX"]);
    let folder = run(&mut make, &format!("ssh {host}"), &remedy)?;
    // It goes into a command line: only what mktemp makes.
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let name = folder.strip_prefix("/tmp/").filter(|name| name.starts_with("niwaki-") && name.chars().all(plain));
    ensure!(name.is_some(), "{host} made no folder: it answered \"{folder}\"");

    for (file, name) in [(firmware, "firmware"), (blob, "model.nwk")] {
        let mut copy = Command::new("scp");
        copy.args(OPTIONS).arg("-q").arg(file).arg(format!("{host}:{folder}/{name}"));
        run(&mut copy, &format!("scp {}", file.display()), &remedy)?;
    }
    let mut command = Command::new("ssh");
    command.args(OPTIONS).args(["-T", host]);
    // The program ends when its input does: when this side goes away.
    let program = format!("{folder}/firmware {folder}/model.nwk{options}");
    command.arg(format!("trap 'rm -rf {folder}' EXIT; chmod +x {folder}/firmware; {program}"));
    Ok(command)
}
