//! Speech Commands: one folder for each word, a second at 16 kHz in each file, and lists of those that are for testing.

use crate::{
    Array, Original, Step, archive,
    speech::{COEFFICIENTS, features, wav},
};
use anyhow::{Context, ensure};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What keyword spotting tells apart; every other word is unknown, after silence.
const WORDS: [&str; 10] = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes"];
const UNKNOWN: u8 = 11;

const NOTE: &str = "train/speech_commands_sample is the first clips of every word by file name, without those in the \
                    lists for validation and testing: where figures were measured on another selection, yours differ \
                    a little";

/// So many clips of the training part: the first of every word by file name, then the second of every word and so on.
pub fn words(original: Original, count: usize) -> Step {
    Step {
        original,
        arrays: vec![
            Array::new("train/speech_commands_sample/mfcc.i8", count * COEFFICIENTS),
            Array::new("train/speech_commands_sample/y12.u8", count),
        ],
        note: Some(NOTE),
        convert: Box::new(move |path| {
            let mut clips: BTreeSet<String> = BTreeSet::new();
            let mut others = String::new();
            archive(path, |name, content| {
                match name {
                    "validation_list.txt" | "testing_list.txt" => {
                        content.read_to_string(&mut others)?;
                        others.push('\n');
                    }
                    clip if clip.ends_with(".wav") && !clip.starts_with('_') => {
                        clips.insert(clip.to_string());
                    }
                    _ => {}
                }
                Ok(())
            })?;
            ensure!(!others.is_empty(), "it has neither validation_list.txt nor testing_list.txt");
            others.lines().for_each(|other| {
                clips.remove(other.trim());
            });
            let chosen = chosen(&clips, count)?;
            let mut found = HashMap::new();
            archive(path, |name, content| {
                if chosen.iter().any(|clip| clip == name) {
                    let samples = wav(content, 16_000).with_context(|| name.to_string())?;
                    found.insert(name.to_string(), features(samples));
                }
                Ok(())
            })?;
            let (mut inputs, mut labels) = (Vec::new(), Vec::new());
            for clip in &chosen {
                let features = found.get(clip).with_context(|| format!("it has no {clip}"))?;
                inputs.extend(features.iter().map(|q| q.cast_unsigned()));
                labels.push(label(clip));
            }
            Ok(vec![inputs, labels])
        }),
    }
}

/// The first of every word, the second of every word, until there are enough; ordered by word.
fn chosen(clips: &BTreeSet<String>, count: usize) -> anyhow::Result<Vec<String>> {
    let mut ranked: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order = Vec::new();
    for clip in clips {
        let word = clip.split('/').next().unwrap_or_default();
        let rank = ranked.entry(word).or_default();
        order.push((*rank, clip));
        *rank += 1;
    }
    ensure!(order.len() >= count, "it has {} clips to learn from instead of at least {count}", order.len());
    order.sort();
    let mut chosen: Vec<String> = order.into_iter().take(count).map(|(_, clip)| clip.clone()).collect();
    chosen.sort();
    Ok(chosen)
}

/// A clip's class by the name of its folder.
fn label(clip: &str) -> u8 {
    let word = clip.split('/').next().unwrap_or_default();
    WORDS.iter().position(|known| *known == word).map_or(UNKNOWN, |index| index as u8)
}
