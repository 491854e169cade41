//! What is to be removed: units by group, saved or applied.

use crate::{Group, Groups, PruneError, atoms::Atom};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What to remove from one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// The group's name.
    pub group: String,
    /// How many units the group had when this was decided.
    pub units: usize,
    /// Units that leave, ascending.
    pub remove: Vec<usize>,
}

/// What to remove from a graph. Groups that are not named stay whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// One entry per group.
    pub groups: Vec<Removal>,
}

impl Decision {
    /// Whether nothing leaves.
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(|removal| removal.remove.is_empty())
    }

    /// Classes of atoms that leave, after checking that the decision fits these groups.
    pub(crate) fn classes(&self, groups: &Groups) -> Result<BTreeSet<Atom>, PruneError> {
        let mut named = BTreeSet::new();
        let mut classes = BTreeSet::new();
        for removal in &self.groups {
            let name = || removal.group.clone();
            let group = groups.prunable.iter().find(|group| group.name == removal.group);
            let group = group.ok_or_else(|| PruneError::UnknownGroup { group: name() })?;
            if !named.insert(&removal.group) {
                return Err(PruneError::RepeatedGroup { group: name() });
            }
            classes.extend(removal.check(group)?);
        }
        Ok(classes)
    }
}

impl Removal {
    fn check(&self, group: &Group) -> Result<BTreeSet<Atom>, PruneError> {
        let (name, found) = (self.group.clone(), group.units.len());
        if self.units != found {
            return Err(PruneError::GroupWidth { group: name, decided: self.units, found });
        }
        if let Some(unit) = self.remove.iter().find(|unit| **unit >= found) {
            return Err(PruneError::UnknownUnit { group: name, unit: *unit, units: found });
        }
        let classes: BTreeSet<Atom> = self.remove.iter().map(|unit| group.units[*unit].class).collect();
        match classes.len() == found {
            true => Err(PruneError::Empty { group: name }),
            false => Ok(classes),
        }
    }
}
