//! What came of a search, for people and for programs.

use super::{
    budget::{Budget, Limit, Taken},
    measure::Measured,
    node::{Beyond, By, Fit, Node},
    point::Point,
};
use crate::{
    output::{percent, ratio, table, thousands},
    report::standing,
};
use niwaki_pack::artefact::{Layer, Variant};
use serde::{Deserialize, Serialize};

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// A network meets the budget and the floor.
    Fitted,
    /// The unpruned one does already: nothing was changed.
    AlreadyWithin,
    /// No network was found that meets both.
    Refused,
}

/// The unpruned network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) taken: Option<Taken>,
    pub(crate) quality: f64,
    pub(crate) parameters: u64,
}

/// A step on the way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) predicted: f64,
    pub(crate) taken: Option<Taken>,
    pub(crate) quality: f64,
}

/// A layer before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) before: Option<[usize; 3]>,
    pub(crate) after: Option<[usize; 3]>,
    /// Blocks that left it, such as `8/16 of 2x4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blocks: Option<String>,
    /// As the board counts.
    pub(crate) count: [Option<u64>; 2],
}

/// A search and its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) model: String,
    pub(crate) board: String,
    pub(crate) core: String,
    pub(crate) emulated: bool,
    pub(crate) silicon: Option<bool>,
    pub(crate) metric: String,
    /// What decided how much leaves where.
    pub(crate) by: By,
    pub(crate) budget: Budget,
    pub(crate) floor: f64,
    pub(crate) end: End,
    /// The limits that were not met.
    pub(crate) binding: Vec<Limit>,
    /// Why, and what would have to give.
    pub(crate) reasons: Vec<String>,
    pub(crate) unpruned: Before,
    pub(crate) steps: Vec<Step>,
    /// The network that was found, or the closest.
    pub(crate) point: Option<Point>,
    pub(crate) layers: Vec<Line>,
}

impl Outcome {
    /// An end without a network of its own.
    pub(crate) fn new(fit: &Fit<'_>, budget: Budget, floor: f64, end: End) -> Self {
        let board = fit.trial.board;
        let unpruned = &fit.start.unpruned;
        Self {
            model: fit.model.name.clone(),
            board: board.full_name(),
            core: board.spec.core.clone(),
            emulated: board.emulated(),
            silicon: board.silicon(),
            metric: fit.start.metric.clone(),
            by: fit.by,
            budget,
            floor,
            end,
            binding: Vec::new(),
            reasons: Vec::new(),
            unpruned: Before {
                taken: fit.unpruned.taken,
                quality: unpruned.int8_quality,
                parameters: unpruned.parameters as u64,
            },
            steps: Vec::new(),
            point: None,
            layers: Vec::new(),
        }
    }

    /// Refused before anything was trained: not even the smallest network is small enough.
    pub(crate) fn beyond(mut self, beyond: &Beyond) -> Self {
        self.binding = beyond.limits.clone();
        for limit in &beyond.limits {
            let (name, option) = (self.budget.name(*limit), self.budget.option(*limit));
            let (least, allowed) = match (limit, &beyond.taken) {
                (Limit::Work, Some(taken)) => (Some(taken.work), self.budget.work),
                (Limit::Flash, Some(taken)) => (taken.flash, self.budget.flash),
                (Limit::Ram, Some(taken)) => (taken.ram, self.budget.ram),
                _ => (None, None),
            };
            let allowed =
                allowed.map_or("the budget".into(), |allowed| format!("the budget of {}", thousands(allowed)));
            self.reasons.push(match least {
                Some(least) => {
                    let least = thousands(least);
                    format!(
                        "{name} bind: the smallest network that pruning leaves takes {least}, and {allowed} is less; \
                         {option} {least} is the least to ask for, or a smaller model"
                    )
                }
                None => format!("{name} bind: not even the smallest network that pruning leaves fits into {allowed}"),
            });
        }
        self.end = End::Refused;
        self
    }

    /// With the steps that led to a point.
    pub(crate) fn with(mut self, fit: &Fit<'_>, trunk: &[Node], point: Point) -> Self {
        let step = |node: &Node| Step {
            id: node.id.clone(),
            predicted: node.predicted,
            taken: node.measured.taken,
            quality: node.variant.int8_quality,
        };
        self.steps = trunk.iter().chain([&point.node]).map(step).collect();
        let node = &point.node;
        self.layers = lines((&fit.start.unpruned, &fit.unpruned), (&node.variant, &node.measured), &node.shape);
        self.point = Some(point);
        self
    }

    /// In words and tables.
    pub(crate) fn text(&self) -> String {
        let (model, board) = (&self.model, &self.board);
        let mut text = format!("{model} on {board}{}: ", standing(self.emulated, self.silicon));
        text += &match (self.end, &self.point) {
            (End::Fitted, Some(point)) if self.by == By::Loss => format!("fitted, {model}@{}\n", point.name),
            (End::Fitted, Some(point)) => format!("fitted by {}, {model}@{}\n", self.by, point.name),
            (End::AlreadyWithin, _) => "within the budget as it is; nothing was changed\n".into(),
            (_, Some(point)) => format!("no point meets the budget; the closest is {model}@{}\n", point.name),
            _ => "no point meets the budget\n".into(),
        };
        self.reasons.iter().for_each(|reason| text += &format!("{reason}\n"));
        let mut all = table(["", "before", "after", "after / before", "limit"], 1);
        let after = self.point.as_ref().map(|point| point.taken);
        let unit = self.budget.unit.to_string();
        type Of = fn(&Taken) -> Option<u64>;
        let rows: [(&str, Of, Option<u64>); 3] = [
            (&unit, |taken| Some(taken.work), self.budget.work),
            ("flash, bytes", |taken| taken.flash, self.budget.flash),
            ("RAM with the stack, bytes", |taken| taken.ram, self.budget.ram),
        ];
        for (name, of, limit) in rows {
            let both = [self.unpruned.taken.as_ref().and_then(of), after.as_ref().and_then(of)];
            all.add_row(cells(name, both, limit.map(thousands)));
        }
        let parameters = [Some(self.unpruned.parameters), self.point.as_ref().map(|point| point.parameters)];
        all.add_row(cells("parameters", parameters, None));
        let quality = self.point.as_ref().map_or("-".into(), |point| percent(point.quality));
        let name = format!("{}, int8, computed by {board}", self.metric);
        all.add_row([name, percent(self.unpruned.quality), quality, String::new(), percent(self.floor)]);
        text += &format!("{all}\n");
        if !self.steps.is_empty() {
            let mut steps = table(["step", "predicted", &unit, "off", &format!("{}, int8", self.metric)], 1);
            for (at, step) in self.steps.iter().enumerate() {
                let work = step.taken.map(|taken| taken.work);
                let off = work.map(|work| format!("{:+.1} %", 100.0 * (step.predicted / work.max(1) as f64 - 1.0)));
                let name = if at + 1 == self.steps.len() { "last cut".into() } else { (at + 1).to_string() };
                let (predicted, work) = (thousands(step.predicted as u64), work.map_or("-".into(), thousands));
                steps.add_row([name, predicted, work, off.unwrap_or_default(), percent(step.quality)]);
            }
            text += &format!("{steps}\n");
        }
        if !self.layers.is_empty() {
            let mut layers = table(["layer", "kind", "output", "after", "blocks gone", "count", "after", "ratio"], 2);
            for line in &self.layers {
                let shape = |shape: Option<[usize; 3]>| {
                    shape.map_or("-".into(), |shape| shape.map(|x| x.to_string()).join("x"))
                };
                let [before, after] = line.count;
                layers.add_row([
                    line.name.clone(),
                    line.kind.clone(),
                    shape(line.before),
                    shape(line.after),
                    line.blocks.clone().unwrap_or_default(),
                    before.map_or("-".into(), thousands),
                    after.map_or("-".into(), thousands),
                    before.zip(after).map(|(before, after)| ratio(before, after)).unwrap_or_default(),
                ]);
            }
            text += &format!("{layers}\n");
        }
        text
    }
}

fn cells(name: &str, [before, after]: [Option<u64>; 2], limit: Option<String>) -> [String; 5] {
    let cell = |value: Option<u64>| value.map_or("-".into(), thousands);
    let part = before.zip(after).map(|(before, after)| ratio(before, after)).unwrap_or_default();
    [name.to_string(), cell(before), cell(after), part, limit.unwrap_or_default()]
}

/// Layers before and after, by name.
fn lines(before: (&Variant, &Measured), after: (&Variant, &Measured), shape: &serde_json::Value) -> Vec<Line> {
    let find = |(variant, measured): (&Variant, &Measured), name: &str| -> (Option<Layer>, Option<u64>) {
        let place = variant.layers.iter().position(|layer| layer.name == name);
        let Some(place) = place else { return (None, None) };
        (variant.layers.get(place).cloned(), measured.layers.get(place).copied())
    };
    let line = |layer: &Layer| {
        let (after, count) = find(after, &layer.name);
        let left = &shape["blocks"][&layer.name];
        let blocks = left["shape"].as_str().map(|shape| format!("{}/16 of {shape}", left["gone"]));
        let (name, kind) = (layer.name.clone(), layer.kind.clone());
        let count = [find(before, &layer.name).1, count];
        Line { name, kind, before: Some(layer.output), after: after.map(|layer| layer.output), blocks, count }
    };
    before.0.layers.iter().map(line).collect()
}
