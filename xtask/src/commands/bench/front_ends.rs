//! `bench front-ends`: what sound and images take before a network sees them; every core must compute what the host does.

use super::CoreArgs;
use crate::{
    bench::rig::{Rig, counts},
    output::{self, table, thousands},
    workplace::Workplace,
};
use anyhow::{Context, ensure};
use niwaki_features::{
    LogMel, Mfcc,
    testing::{self, COUNTED, Signal},
};
use serde::Serialize;

/// Count what turns sound and pixels into inputs, and hold every core's results against this computer's
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    cores: CoreArgs,
}

/// Samples in a second.
const RATE: u64 = 16_000;

/// What one core takes.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Entry {
    core: String,
    /// Results that were compared with the host's, all equal.
    compared: usize,
    mfcc_instructions_per_frame: u64,
    mfcc_instructions_per_second_of_audio: u64,
    log_mel_instructions_per_frame: u64,
    log_mel_instructions_per_second_of_audio: u64,
    /// 160x120 to 96x96 pixels of three bytes, as int8.
    image_instructions: u64,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let host = digests();
    let measured =
        args.cores.ready(work)?.iter().map(|rig| measure(work, rig, &host)).collect::<Result<Vec<_>, _>>()?;
    output::result(work, &measured, || show(&measured))
}

/// The lines that this computer would print.
fn digests() -> Vec<String> {
    let mut lines = Vec::new();
    testing::digests(|name, signal, digest| {
        let signal = signal.map_or("-".into(), |signal: Signal| format!("{signal:?}"));
        lines.push(format!("digest {name} {signal} {:016x}", digest.0));
    });
    lines
}

fn measure(work: &Workplace, rig: &Rig, host: &[String]) -> anyhow::Result<Entry> {
    let firmware = rig.built(work, "front-ends", |_| ())?;
    let folder = tempfile::tempdir()?;
    let said = rig.run(&firmware, folder.path(), |command| {
        command.args(["-icount", rig.icount]);
    })?;
    entry(&rig.core, &said, host)
}

fn entry(core: &str, said: &str, host: &[String]) -> anyhow::Result<Entry> {
    let found: Vec<&str> = said.lines().filter(|line| line.starts_with("digest ")).collect();
    for (found, host) in found.iter().zip(host) {
        ensure!(found == host, "{core} computes something else than this computer: {found}, not {host}");
    }
    ensure!(found.len() == host.len(), "{core} computed {} of {} results", found.len(), host.len());
    let counts = counts(said).with_context(|| format!("{core} said: {}", said.trim()))?;
    let [mfcc, log_mel, image] = counts[..] else {
        anyhow::bail!("{core} counted {} of 3 front ends", counts.len());
    };
    let of = |sum: u64, step: usize| {
        let frames = COUNTED.len() as u64;
        (sum / frames, sum * RATE / (frames * step as u64))
    };
    let (mfcc, log_mel) = (of(mfcc.instructions, Mfcc::STEP), of(log_mel.instructions, LogMel::STEP));
    Ok(Entry {
        core: core.into(),
        compared: found.len(),
        mfcc_instructions_per_frame: mfcc.0,
        mfcc_instructions_per_second_of_audio: mfcc.1,
        log_mel_instructions_per_frame: log_mel.0,
        log_mel_instructions_per_second_of_audio: log_mel.1,
        image_instructions: image.instructions,
    })
}

fn show(entries: &[Entry]) -> String {
    let head = ["core", "as the host", "MFCC, a frame", "a second", "log-mel, a frame", "a second", "160x120 to 96x96"];
    let mut lines = table(head, 1);
    for entry in entries {
        let numbers = [
            entry.mfcc_instructions_per_frame,
            entry.mfcc_instructions_per_second_of_audio,
            entry.log_mel_instructions_per_frame,
            entry.log_mel_instructions_per_second_of_audio,
            entry.image_instructions,
        ];
        let equal = format!("{0} of {0}", entry.compared);
        lines.add_row([entry.core.clone(), equal].into_iter().chain(numbers.map(thousands)));
    }
    format!("{lines}\ninstructions, of frames and of a second of sound at 16 kHz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_computes_something_else_is_named() {
        let host = ["digest mfcc Noise 01".to_string(), "digest image - 02".into()];
        let said =
            "digest mfcc Noise 01\ndigest image - 02\nknown 10000 20000 0\ncase 20000 0\ncase 40000 0\ncase 8 0\n";
        let found = entry("cortex-m4", said, &host).unwrap();
        assert_eq!((found.compared, found.mfcc_instructions_per_frame, found.image_instructions), (2, 1000, 4));
        // Every 20 ms, and every 32.
        assert_eq!(found.mfcc_instructions_per_second_of_audio, 50_000);
        assert_eq!(found.log_mel_instructions_per_second_of_audio, 62_500);
        let refused = |said: &str| entry("cortex-m4", said, &host).unwrap_err().to_string();
        assert!(refused(&said.replace("- 02", "- 03")).contains("cortex-m4 computes something else"));
        assert!(refused("digest mfcc Noise 01\n").contains("1 of 2 results"));
    }
}
