//! One stage of pruning: what leaves, how much, by which importance, and how fast.

use niwaki_prune::{Importance, Limits, Structure};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// How much leaves in a stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Amount {
    /// Share of the units that leaves, at least 0 and below 1.
    Ratio(f64),
    /// Share of the unpruned network's multiply-accumulates that is left, above 0; the nearest that can be reached.
    MacsLeft(f64),
}

/// How removal is shared out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// The same share of every layer, or what [`Stage::layers`] says.
    #[default]
    Uniform,
    /// The least important of the whole network.
    Global,
    /// More where it was measured to cost less.
    Sensitivity,
}

/// How fast a stage removes what it removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// All at once.
    #[default]
    OneShot,
    /// The same share of it in every step.
    Iterative,
    /// Much at first, little at the end: `1 - (1 - t)^3` (Zhu and Gupta 2018, arXiv:1710.01878).
    Cubic,
}

impl Pace {
    /// Part of the removal that is done after a step of so many, counted from 1.
    pub fn part(self, step: usize, steps: usize) -> f64 {
        let t = step as f64 / steps.max(1) as f64;
        match self {
            Self::OneShot => 1.0,
            Self::Iterative => t,
            Self::Cubic => 1.0 - (1.0 - t).powi(3),
        }
    }
}

/// One stage: all of its steps remove the same kind of structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What leaves.
    pub structure: Structure,
    /// Which units matter.
    pub importance: Importance,
    /// How much leaves.
    pub amount: Amount,
    /// From where.
    pub share: Share,
    /// Ratios of single layers or groups, by name.
    pub layers: BTreeMap<String, f64>,
    /// How fast.
    pub pace: Pace,
    /// In how many steps; one-shot has one.
    pub steps: usize,
    /// Passes of training after each step but the stage's last, which is followed by the whole fine-tuning.
    pub step_epochs: usize,
    /// Multiple of the channels kept.
    pub tile: usize,
    /// Least channels kept.
    pub minimum: usize,
}

impl Stage {
    /// Channels by L1 magnitude, uniformly and at once: this share of them leaves.
    pub fn ratio(ratio: f64) -> Self {
        Self {
            structure: Structure::Channels,
            importance: Importance::L1,
            amount: Amount::Ratio(ratio),
            share: Share::Uniform,
            layers: BTreeMap::new(),
            pace: Pace::OneShot,
            steps: 1,
            step_epochs: 1,
            tile: 1,
            minimum: 1,
        }
    }

    /// How many steps it takes.
    pub fn step_count(&self) -> usize {
        if self.pace == Pace::OneShot { 1 } else { self.steps.max(1) }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { tile: self.tile, min_width: self.minimum }
    }
}

macro_rules! names {
    ($type:ty, $what:literal, $($name:literal => $value:expr),+) => {
        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok($value),)+
                    _ => Err(format!("no {} is called `{text}`; there are {}", $what, [$($name),+].join(", "))),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(if *self == $value { return f.write_str($name); })+
                Ok(())
            }
        }
    };
}

names!(Share, "allocation", "uniform" => Share::Uniform, "global" => Share::Global, "sensitivity" => Share::Sensitivity);
names!(Pace, "schedule", "one-shot" => Pace::OneShot, "iterative" => Pace::Iterative, "cubic" => Pace::Cubic);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_end_whole_and_cubic_starts_fast() {
        for pace in [Pace::OneShot, Pace::Iterative, Pace::Cubic] {
            assert_eq!(pace.part(4, 4), 1.0);
            assert_eq!(pace.to_string().parse(), Ok(pace));
        }
        assert!(Pace::Cubic.part(1, 4) > 2.0 * Pace::Iterative.part(1, 4));
        assert!("fast".parse::<Pace>().is_err_and(|error| error.contains("one-shot, iterative, cubic")));
    }
}
