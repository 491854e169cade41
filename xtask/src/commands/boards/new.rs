//! `boards new`: makes a board's folder from another's.

use crate::{board::Board, output, package, workplace::Workplace};
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Make a board's folder from another's: it builds as it is, and says what to change
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A name for a folder in boards/, or the path of a folder elsewhere, whose name is the board's
    name: String,
    /// The board that it is made from
    #[arg(long, value_name = "BOARD")]
    from: String,
}

#[derive(Serialize)]
struct Made {
    name: String,
    from: String,
    folder: PathBuf,
    files: Vec<PathBuf>,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let from = Board::find(work, &args.from)?;
    let elsewhere = package::is_path(&args.name);
    let folder = match elsewhere {
        true => std::env::current_dir()?.join(&args.name),
        false => work.root.join("boards").join(&args.name),
    };
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_string();
    check_name(&name)?;
    ensure!(!folder.exists(), "{} is there already; give another name or remove it", folder.display());
    // Made beside its place and moved there whole.
    let parent = folder.parent().context("a folder needs a place")?;
    ensure!(parent.is_dir(), "{} is no folder; make it first", parent.display());
    let draft = tempfile::Builder::new().prefix(".board-").tempdir_in(parent)?;
    let mut files = Vec::new();
    copy(&from, &name, &from.folder, draft.path(), &mut files)?;
    if elsewhere {
        stand_alone(work, &from, &name, draft.path())?;
    }
    let draft = draft.keep();
    std::fs::rename(&draft, &folder).with_context(|| folder.display().to_string())?;
    files.sort();
    let made = Made { name, from: from.name().into(), folder, files };
    output::result(work, &made, || show(work, &made))
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let good = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let starts = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    ensure!(
        starts && name.chars().all(good),
        "\"{name}\" cannot be a board's name; use lower-case letters, digits and hyphens, a letter first"
    );
    Ok(())
}

/// Copies a folder's files with the board's name exchanged.
fn copy(board: &Board, name: &str, from: &Path, to: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let Some(file) = path.file_name() else { continue };
        if path.is_dir() {
            if file != "target" {
                copy(board, name, &path, &to.join(file), files)?;
            }
            continue;
        }
        if file == "Cargo.lock" {
            continue;
        }
        files.push(path.strip_prefix(&board.folder).unwrap_or(&path).to_path_buf());
        let place = to.join(file);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let changed = match String::from_utf8(bytes) {
            Ok(text) => renamed(&text, &file.to_string_lossy(), board, name).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        std::fs::write(&place, changed).with_context(|| place.display().to_string())?;
    }
    Ok(())
}

/// A file's text for the new board: its name wherever it stands in quotes. In board.toml that may name a machine or
/// another board as well; there, what nobody has done with the new one yet changes, too.
fn renamed(text: &str, file: &str, board: &Board, name: &str) -> String {
    if file != "board.toml" {
        return text.replace(&format!("\"{}\"", board.name()), &format!("\"{name}\""));
    }
    let line = |line: &str| match line.split('=').next().map(str::trim) {
        Some("name") => format!("name = \"{name}\"\n"),
        Some("description") => format!("description = \"{name}, made from {}\"\n", board.name()),
        Some("silicon") => "silicon = false\n".into(),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Makes the crate one that needs no workspace: what it took from that of boards/ is written out.
fn stand_alone(work: &Workplace, from: &Board, name: &str, folder: &Path) -> anyhow::Result<()> {
    let boards = work.root.join("boards");
    let root: Table = read(&boards.join("Cargo.toml"))?;
    let path = folder.join("Cargo.toml");
    let mut manifest: Table = read(&path)?;
    let shared = |key: &str| root.get("workspace").and_then(|workspace| workspace.get(key)).cloned();
    let inherited = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    if let Some(Value::Table(package)) = manifest.get_mut("package") {
        let common = shared("package").unwrap_or(Value::Table(Table::new()));
        for (key, value) in package.iter_mut().filter(|(_, value)| inherited(value)) {
            *value = common.get(key).with_context(|| format!("boards/Cargo.toml shares no {key}"))?.clone();
        }
        if let Some(Value::String(build)) = package.get_mut("build") {
            *build = absolute(&from.folder, build)?;
        }
    }
    let common = shared("dependencies").unwrap_or(Value::Table(Table::new()));
    for table in dependency_tables(&mut manifest) {
        for (key, value) in table.iter_mut() {
            let base = if inherited(value) { &boards } else { &from.folder };
            let mut whole = match (inherited(value), common.get(key)) {
                (true, Some(Value::String(version))) => Table::from_iter([("version".into(), version.clone().into())]),
                (true, Some(Value::Table(table))) => table.clone(),
                (true, _) => bail!("boards/Cargo.toml shares no {key}"),
                (false, _) => Table::new(),
            };
            match &*value {
                Value::Table(own) => whole.extend(own.clone().into_iter().filter(|(key, _)| key != "workspace")),
                version => whole = Table::from_iter([("version".into(), version.clone())]),
            }
            if let Some(Value::String(path)) = whole.get_mut("path") {
                *path = absolute(base, path)?;
            }
            *value = Value::Table(whole);
        }
    }
    if let Some(lints) = shared("lints").filter(|_| manifest.get("lints").is_some_and(inherited)) {
        manifest.insert("lints".into(), lints);
    }
    manifest.extend(root.get("profile").map(|profile| ("profile".to_string(), profile.clone())));
    manifest.insert("workspace".into(), Value::Table(Table::new()));
    let text = format!("# The board {name}, made from {}.\n{}", from.name(), toml::to_string(&manifest)?);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    // The versions that are tested.
    let lock = boards.join("Cargo.lock");
    std::fs::copy(&lock, folder.join("Cargo.lock")).with_context(|| lock.display().to_string())?;
    linker(work, from, folder)
}

/// The linker of the board's target, where this repository names one.
fn linker(work: &Workplace, from: &Board, folder: &Path) -> anyhow::Result<()> {
    let config: Table = read(&work.root.join(".cargo/config.toml"))?;
    let Some(triple) = &from.spec.target else { return Ok(()) };
    let Some(target) = config.get("target").and_then(|targets| targets.get(triple)) else { return Ok(()) };
    let only = Table::from_iter([(triple.clone(), target.clone())]);
    let text = toml::to_string(&Table::from_iter([("target".to_string(), Value::Table(only))]))?;
    std::fs::create_dir_all(folder.join(".cargo"))?;
    Ok(std::fs::write(folder.join(".cargo/config.toml"), text)?)
}

/// Every table of dependencies in a manifest: the plain ones and those for certain targets.
fn dependency_tables(manifest: &mut Table) -> Vec<&mut Table> {
    let mut tables = Vec::new();
    for (key, value) in manifest.iter_mut() {
        let Value::Table(table) = value else { continue };
        if key.ends_with("dependencies") {
            tables.push(table);
        } else if key == "target" {
            let targets = table.iter_mut().filter_map(|(_, target)| target.as_table_mut());
            tables.extend(targets.flat_map(dependency_tables));
        }
    }
    tables
}

fn absolute(base: &Path, path: &str) -> anyhow::Result<String> {
    let whole = base.join(path);
    let whole = whole.canonicalize().with_context(|| whole.display().to_string())?;
    Ok(whole.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).map_err(|error| crate::board::toml_error(path, &text, &error))
}

fn show(work: &Workplace, made: &Made) -> String {
    let folder = work.show(&made.folder);
    format!(
        "made the board {} from {} in {folder}\n\
         change where the new one differs:\n  \
         board.toml  core, clock, memories, budgets, and what runs it\n  \
         memory.x    where flash, RAM and the stack lie\n  \
         src/        clock and addresses of the peripherals\n\
         try it: cargo xtask deploy digits --board {}",
        made.name,
        made.from,
        if made.folder.starts_with(work.root.join("boards")) { &made.name } else { &folder }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_packages() {
        assert!(check_name("mps2-an999").is_ok());
        for bad in ["", "Board", "9lives", "a b", "a_b", "-x"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_workspace_gives_is_written_out() {
        let work = Workplace::new(true);
        let from = Board::find(&work, "mps2-an386").unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy(&from, "made-up", &from.folder, folder.path(), &mut Vec::new()).unwrap();
        stand_alone(&work, &from, "made-up", folder.path()).unwrap();
        let manifest = read(&folder.path().join("Cargo.toml")).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("made-up"));
        assert_eq!(manifest["package"]["edition"].as_str(), Some("2024"));
        assert_eq!(manifest["profile"]["release"]["opt-level"].as_integer(), Some(3));
        for path in [&manifest["package"]["build"], &manifest["dependencies"]["niwaki-board"]["path"]] {
            assert!(Path::new(path.as_str().unwrap()).is_absolute(), "{path}");
        }
        assert!(!toml::to_string(&manifest).unwrap().contains("workspace = true"));
        let spec = std::fs::read_to_string(folder.path().join("board.toml")).unwrap();
        assert!(spec.contains("name = \"made-up\"\ndescription = \"made-up, made from mps2-an386\"\n"), "{spec}");
        assert!(spec.contains("machine = \"mps2-an386\"\n"), "{spec}");
    }
}
