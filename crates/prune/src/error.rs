//! What can go wrong while pruning, with the remedy in the message.

use niwaki_graph::GraphError;

/// A graph, score or decision that cannot be used for pruning.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PruneError {
    /// The graph breaks its own rules.
    #[error("the graph is not valid, so nothing was pruned: {0}")]
    Graph(#[from] GraphError),
    /// The scores were computed for other groups.
    #[error("scores do not fit {group}: {expected} expected, {found} found; compute them from this graph's groups")]
    Scores {
        /// The group, or all of them.
        group: String,
        /// How many scores the group needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A score that cannot be ranked.
    #[error("unit {unit} of group `{group}` has the score {score}; check the weights or gradients of its layers")]
    NotFinite {
        /// The group's name.
        group: String,
        /// The unit's index.
        unit: usize,
        /// NaN or an infinity.
        score: f32,
    },
    /// Scores by gradients or gates, without them.
    #[error("importance `{importance}` needs the network to be run on samples: give its gradients or gates")]
    Evidence {
        /// The importance's name.
        importance: String,
    },
    /// Sensitivity was not measured for a site.
    #[error("no sensitivity was measured for `{site}`; measure the curves of this graph first")]
    NoCurve {
        /// The site's name.
        site: String,
    },
    /// A ratio or share outside its range.
    #[error("{what} is {value}; it must be at least 0 and below 1")]
    Ratio {
        /// Which number.
        what: &'static str,
        /// What it was.
        value: f64,
    },
    /// A decision names a group that the graph does not have.
    #[error(
        "the decision names group `{group}`, which this graph does not have; apply it to the graph it was made for"
    )]
    UnknownGroup {
        /// The name in the decision.
        group: String,
    },
    /// A decision names one group twice.
    #[error("the decision names group `{group}` twice; merge the two lists of units")]
    RepeatedGroup {
        /// The name in the decision.
        group: String,
    },
    /// A decision was made when a group had another number of units.
    #[error(
        "the decision was made when group `{group}` had {decided} units, it has {found}; \
         apply it to the graph it was made for"
    )]
    GroupWidth {
        /// The group's name.
        group: String,
        /// Units when the decision was made.
        decided: usize,
        /// Units now.
        found: usize,
    },
    /// A decision removes a unit that does not exist.
    #[error("the decision removes unit {unit} of group `{group}`, which has {units}; units count from 0")]
    UnknownUnit {
        /// The group's name.
        group: String,
        /// The unit's index.
        unit: usize,
        /// How many there are.
        units: usize,
    },
    /// A decision would leave a layer without channels.
    #[error("the decision removes every unit of group `{group}`; keep at least one")]
    Empty {
        /// The group's name.
        group: String,
    },
    /// No uniform ratio reaches the target.
    #[error(
        "at most {channels:.1} % of the channels and {macs:.1} % of the multiply-accumulates can go; \
         ask for less, or lower the tile or the minimum width"
    )]
    OutOfReach {
        /// Percentage of channels gone at the highest ratio.
        channels: f64,
        /// Percentage of multiply-accumulates gone at the highest ratio.
        macs: f64,
    },
}
