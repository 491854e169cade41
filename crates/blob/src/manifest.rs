//! The manifest: what the blob is and how to talk to it, as postcard.

use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Most inputs, and most outputs, that a network can have.
pub const MAX_INTERFACES: usize = 4;

/// Highest rank of an input or output, without the batch dimension.
pub const MAX_RANK: usize = 4;

/// An input or output of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface<'a> {
    /// Its name in the graph.
    #[serde(borrow)]
    pub name: &'a str,
    /// Its tensor, an index into the tensor section.
    pub tensor: u16,
    /// Its per-sample shape in the user's model (`[channels, height, width]`); the bytes are in the order
    /// height, width, channels.
    pub shape: Vec<u32, MAX_RANK>,
}

/// What the blob is: identity, and its inputs and outputs in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest<'a> {
    /// Name of the model.
    #[serde(borrow)]
    pub name: &'a str,
    /// SHA-256 of the recipe, seed and data that the blob was made from.
    pub recipe_hash: [u8; 32],
    /// Inputs in the order of the model's arguments.
    #[serde(borrow)]
    pub inputs: Vec<Interface<'a>, MAX_INTERFACES>,
    /// Outputs in the order of the model's results.
    #[serde(borrow)]
    pub outputs: Vec<Interface<'a>, MAX_INTERFACES>,
}
