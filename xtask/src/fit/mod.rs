//! Pruning to a budget: what the board takes decides, and what the model's program is told to cut and train.
//!
//! Every network is a *node*: a folder named after everything that it follows from (the network it is cut from, what it
//! is to take, how long it is trained). So a search that is interrupted finds what it had done, searches share what they
//! have in common, and several machines make the same points.

pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod measure;
pub(crate) mod node;
pub(crate) mod page;
pub(crate) mod point;
pub(crate) mod report;
pub(crate) mod search;
