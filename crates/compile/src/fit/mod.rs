//! Pruning to a budget, the part that needs the model and its data: it starts, cuts and trains networks in folders.
//!
//! Whoever has the board measures what was cut and says how far the prediction was off: `cargo xtask fit` does. Each
//! step reads one folder and writes another, so that what is done is kept, and the same steps give the same networks.

mod estimate;
mod losses;
mod search;
mod shape;
mod steps;

pub use estimate::{Estimate, Ranges, Target, Unit, estimate, packed, ranges};
pub use losses::{Group, Losses};
pub use search::{Budget, By, Found, Grid, Search};
pub use shape::{Blocks, Cut, PARTS, Shape};
pub use steps::{CUT, Cutting, GRAPH, cut, start, train};
