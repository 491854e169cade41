//! What leaves as one: the kinds of structure that can be pruned.

use crate::BlockShape;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is removed as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Structure {
    /// Channels, neurons and whatever else is coupled: they leave, tensors get smaller.
    #[default]
    Channels,
    /// Like [`Structure::Channels`], of groups that linear layers alone compute.
    Neurons,
    /// Residual branches, with all of their layers.
    Layers,
    /// Blocks of weights: zeroed, and skipped by kernels.
    Blocks(BlockShape),
    /// All but `keep` of each `of` weights that follow each other in a row: zeroed.
    NOfM {
        /// Weights that stay.
        keep: usize,
        /// Of how many.
        of: usize,
    },
    /// Single weights: zeroed. Fewer bytes, not fewer instructions.
    Weights,
}

impl Structure {
    /// Whether tensors get smaller; otherwise weights become zeros that a mask holds.
    pub fn shrinks(self) -> bool {
        matches!(self, Self::Channels | Self::Neurons | Self::Layers)
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channels => f.write_str("channels"),
            Self::Neurons => f.write_str("neurons"),
            Self::Layers => f.write_str("layers"),
            Self::Blocks(shape) => write!(f, "{}x{}", shape.rows(), crate::BLOCK_TERMS),
            Self::NOfM { keep, of } => write!(f, "{keep}:{of}"),
            Self::Weights => f.write_str("weights"),
        }
    }
}

impl FromStr for Structure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            format!(
                "no structure is called `{text}`; there are channels, neurons, layers, 1x4, 2x4, 4x4, N:M (such as 2:4) and weights"
            )
        };
        Ok(match text {
            "channels" => Self::Channels,
            "neurons" => Self::Neurons,
            "layers" => Self::Layers,
            "1x4" => Self::Blocks(BlockShape::OneByFour),
            "2x4" => Self::Blocks(BlockShape::TwoByFour),
            "4x4" => Self::Blocks(BlockShape::FourByFour),
            "weights" => Self::Weights,
            _ => {
                let (keep, of) = text.split_once(':').ok_or_else(unknown)?;
                let number = |text: &str| text.parse::<usize>().map_err(|_| unknown());
                let (keep, of) = (number(keep)?, number(of)?);
                if keep == 0 || keep >= of {
                    return Err(format!("{text}: N:M keeps N of M weights, so N is at least 1 and below M"));
                }
                Self::NOfM { keep, of }
            }
        })
    }
}

impl TryFrom<String> for Structure {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Structure> for String {
    fn from(structure: Structure) -> Self {
        structure.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_others_are_refused() {
        for text in ["channels", "neurons", "layers", "1x4", "2x4", "4x4", "2:4", "weights"] {
            assert_eq!(text.parse::<Structure>().map(|structure| structure.to_string()), Ok(text.to_string()));
        }
        for text in ["", "3x4", "4:4", "0:4", "a:b"] {
            assert!(text.parse::<Structure>().is_err(), "{text}");
        }
    }
}
