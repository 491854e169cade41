//! `niwaki-logs ELF LEVEL`: raw defmt bytes on stdin, one line of text per message of that level or above on stdout.

use anyhow::{Context, bail};
use defmt_decoder::{DecodeError, Frame, Table};
use std::io::{Read, Write};

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (elf, level) = args.next().zip(args.next()).context("usage: niwaki-logs ELF LEVEL")?;
    let least = rank(&level).with_context(|| format!("no level \"{level}\"; there are {}", LEVELS.join(", ")))?;
    let bytes = std::fs::read(&elf).with_context(|| elf.clone())?;
    let table = Table::parse(&bytes)?.with_context(|| format!("{elf} has no defmt messages"))?;
    let mut decoder = table.new_stream_decoder();
    let (mut stdin, mut stdout, mut buffer) = (std::io::stdin().lock(), std::io::stdout().lock(), [0; 4096]);
    loop {
        let len = stdin.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        decoder.received(&buffer[..len]);
        loop {
            match decoder.decode() {
                Ok(frame) => print(&mut stdout, &frame, least)?,
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) if table.encoding().can_recover() => {
                    writeln!(stdout, "(a message that does not decode)")?;
                }
                Err(DecodeError::Malformed) => bail!("the log is garbled and cannot be picked up again"),
            }
        }
        stdout.flush()?;
    }
}

fn print(out: &mut impl Write, frame: &Frame<'_>, least: usize) -> anyhow::Result<()> {
    let level = frame.level().map(|level| level.as_str());
    // `defmt::println!` has no level and always shows.
    if level.and_then(rank).is_none_or(|rank| rank >= least) {
        writeln!(out, "{:5} {}", level.unwrap_or_default(), frame.display_message())?;
    }
    Ok(())
}

fn rank(level: &str) -> Option<usize> {
    LEVELS.iter().position(|name| *name == level)
}
