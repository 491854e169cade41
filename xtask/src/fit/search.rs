//! From the unpruned network to a budget, step by step; and to many budgets at once.

use super::{
    budget::Budget,
    node::{Beyond, Fit, Goal, Node},
};
use crate::output::{note, thousands};

/// A step of the trunk leaves this part of what there was.
const STEP: f64 = 0.6;
/// The trunk ends this far above a budget: the last cut may leave out blocks, which are worth nothing to what is cut
/// again.
const ABOVE: f64 = 1.6;
/// The same for memories, of which blocks save little.
const ABOVE_BYTES: f64 = 1.25;

/// How long is trained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epochs {
    /// After a step of the trunk.
    pub(crate) step: u32,
    /// After the last cut.
    pub(crate) last: u32,
}

impl Fit<'_> {
    /// The goal of a step of the trunk; none where the budget is near enough.
    fn trunk_goal(&self, step: i32, budget: &Budget, epochs: Epochs) -> Option<Goal> {
        let left = STEP.powi(step);
        let mut under_way = false;
        let mut toward = |start: Option<f64>, limit: Option<u64>, above: f64| {
            let (start, limit) = (start?, limit? as f64);
            // What is met already stays met.
            let wanted = start * left;
            under_way |= wanted >= above * limit;
            Some(wanted.max(above * limit).min(start.max(limit)) as u64)
        };
        let bytes = |of: fn(&super::budget::Taken) -> Option<u64>| {
            self.unpruned.taken.as_ref().and_then(of).map(|bytes| bytes as f64)
        };
        let work = toward(Some(self.work), budget.work, ABOVE);
        let flash = toward(bytes(|taken| taken.flash), budget.flash, ABOVE_BYTES);
        let ram = toward(bytes(|taken| taken.ram), budget.ram, ABOVE_BYTES);
        under_way.then_some(Goal { work, flash, ram, epochs: epochs.step, last: false })
    }

    /// A network within a budget: the trunk down to near it, then the last cut. Gives the trunk, too.
    pub(crate) fn within(&self, budget: &Budget, epochs: Epochs) -> anyhow::Result<Result<(Vec<Node>, Node), Beyond>> {
        let last = Goal { work: budget.work, flash: budget.flash, ram: budget.ram, epochs: epochs.last, last: true };
        // Whether it can be done at all is known before anything is trained.
        if self.trunk_goal(1, budget, epochs).is_some()
            && let Err(beyond) = self.possible(&last)?
        {
            return Ok(Err(beyond));
        }
        let mut trunk: Vec<Node> = Vec::new();
        for step in 1.. {
            let Some(goal) = self.trunk_goal(step, budget, epochs) else { break };
            note(&format!("step {step}: {}", shown(self, &goal)));
            match self.node(trunk.last(), &goal)? {
                Ok(node) => trunk.push(node),
                // Channels alone do not get there; the last cut has more to choose from.
                Err(_) => break,
            }
        }
        note(&format!("last cut: {}", shown(self, &last)));
        Ok(self.node(trunk.last(), &last)?.map(|node| (trunk, node)))
    }

    /// The trunk of a sweep: down to where quality falls below the floor after a step, or nothing more can leave.
    pub(crate) fn trunk(&self, floor: f64, epochs: Epochs) -> anyhow::Result<Vec<Node>> {
        let mut trunk: Vec<Node> = Vec::new();
        for step in 1.. {
            let work = Some((self.work * STEP.powi(step)) as u64);
            let goal = Goal { work, flash: None, ram: None, epochs: epochs.step, last: false };
            note(&format!("step {step}: {}", shown(self, &goal)));
            match self.node(trunk.last(), &goal)? {
                Ok(node) if node.variant.int8_quality >= floor => trunk.push(node),
                _ => break,
            }
        }
        Ok(trunk)
    }

    /// Work of the points of a sweep, evenly apart by ratio: from below the unpruned network down to the trunk's end.
    pub(crate) fn points(&self, trunk: &[Node], count: u32) -> Vec<u64> {
        let least = trunk.last().map_or(self.work * STEP, Node::work);
        let ratio = (least / self.work).min(STEP.powf(0.5));
        (1..=count).map(|at| (self.work * ratio.powf(f64::from(at) / f64::from(count))) as u64).collect()
    }

    /// One point of a sweep, from the trunk.
    pub(crate) fn point(
        &self,
        trunk: &[Node],
        work: u64,
        budget: &Budget,
        epochs: Epochs,
    ) -> anyhow::Result<Result<Node, Beyond>> {
        let from = trunk.iter().rev().find(|node| node.work() >= ABOVE * work as f64);
        let goal = Goal { work: Some(work), flash: budget.flash, ram: budget.ram, epochs: epochs.last, last: true };
        note(&format!("point: {}", shown(self, &goal)));
        self.node(from, &goal)
    }
}

fn shown(fit: &Fit<'_>, goal: &Goal) -> String {
    let all =
        [(goal.work, fit.unit.to_string()), (goal.flash, "bytes of flash".into()), (goal.ram, "bytes of RAM".into())];
    let given = all.into_iter().filter_map(|(limit, what)| Some(format!("{} {what}", thousands(limit?))));
    let limits: Vec<String> = given.collect();
    format!("at most {}", limits.join(", "))
}
