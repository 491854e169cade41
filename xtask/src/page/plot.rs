//! Quality against work, as a drawing.

use maud::{Markup, html};

/// What a point stands for decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Unpruned,
    Pruned,
    /// Of the pruning table.
    Cell,
    Published,
}

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Self::Unpruned => "unpruned",
            Self::Pruned => "pruned",
            Self::Cell => "cell",
            Self::Published => "published",
        }
    }
}

/// A network.
pub(crate) struct Point {
    pub(crate) mark: Mark,
    /// What one reads on pointing at it.
    pub(crate) title: String,
    pub(crate) macs: f64,
    pub(crate) quality: f64,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 38.0;

/// From what is plotted to where it is drawn.
struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low).max(f64::MIN_POSITIVE);
        ((self.start + part * (self.end - self.start)) * 10.0).round() / 10.0
    }
}

/// The drawing: multiply-accumulates on a logarithmic axis, quality upwards, the least that is asked as a line.
pub(crate) fn plot(points: &[Point], metric: &str, floor: Option<f64>) -> Markup {
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (least, most) = bounds(&mut points.iter().map(|point| point.macs.max(1.0).log10()));
    let (worst, best) = bounds(&mut points.iter().map(|point| point.quality).chain(floor));
    let margin = ((best - worst) * 0.08).max(0.005);
    let (step, places) = step(best - worst + 2.0 * margin);
    let low = ((worst - margin) / step).floor() * step;
    let high = (best + margin).min(1.0 + margin / 4.0);
    let x = Scale { low: least - 0.08, high: most + 0.08, start: LEFT, end: WIDTH - RIGHT };
    let y = Scale { low, high, start: HEIGHT - BOTTOM, end: TOP };
    let mut level = low;
    let mut levels = Vec::new();
    while level <= high.min(1.0) + 1e-9 {
        levels.push(level);
        level += step;
    }
    let ticks = ticks(x.low, x.high);
    html! {
        svg.plot viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{metric} against multiply-accumulates")) {
            @for level in &levels {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y.at(*level)) y2=(y.at(*level)) {}
                text x=(LEFT - 5.0) y=(y.at(*level) + 3.5) text-anchor="end" { (format!("{:.places$} %", level * 100.0)) }
            }
            @for (exponent, label) in &ticks {
                line.grid x1=(x.at(*exponent)) x2=(x.at(*exponent)) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                text x=(x.at(*exponent)) y=(HEIGHT - BOTTOM + 14.0) text-anchor="middle" { (label) }
            }
            @if let Some(floor) = floor {
                line.floor x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y.at(floor)) y2=(y.at(floor)) {}
            }
            text x=((LEFT + WIDTH - RIGHT) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { "multiply-accumulates per inference" }
            @for point in points {
                @let (cx, cy) = (x.at(point.macs.max(1.0).log10()), y.at(point.quality));
                g class=(point.mark.class()) {
                    title { (point.title) }
                    @match point.mark {
                        Mark::Published => rect x=(cx - 4.0) y=(cy - 4.0) width="8" height="8" transform=(format!("rotate(45 {cx} {cy})")) {},
                        Mark::Cell => circle cx=(cx) cy=(cy) r="3" {},
                        _ => circle cx=(cx) cy=(cy) r="5.5" {},
                    }
                }
            }
        }
    }
}

/// A round distance of levels for a span, and the decimal places that its percentages need.
fn step(span: f64) -> (f64, usize) {
    let steps = [(0.001, 1), (0.002, 1), (0.005, 1), (0.01, 0), (0.02, 0), (0.05, 0), (0.1, 0)];
    steps.into_iter().find(|(step, _)| span / step <= 7.0).unwrap_or((0.2, 0))
}

/// Round numbers between two powers of ten, at most seven: where, and how they are written.
fn ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let all = |digits: &[f64]| {
        let exponents = low.floor() as i32..=high.ceil() as i32;
        let numbers = exponents.flat_map(|exponent| digits.iter().map(move |digit| digit * 10f64.powi(exponent)));
        let inside = numbers.filter(|number| (low..=high).contains(&number.log10()));
        inside.map(|number| (number.log10(), short(number))).collect::<Vec<_>>()
    };
    let choices = [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0][..], &[1.0, 2.0, 3.0, 5.0], &[1.0, 3.0], &[1.0]];
    choices.into_iter().map(all).find(|ticks| ticks.len() <= 7).unwrap_or_default()
}

/// `2.5 M`.
fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        1e6.. => (number / 1e6, " M"),
        1e3.. => (number / 1e3, " k"),
        _ => (number, ""),
    };
    format!("{}{unit}", (scaled * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let labels = |low: f64, high: f64| {
            ticks(low.log10(), high.log10()).into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels(60_000.0, 250_000.0), ["60 k", "80 k", "100 k", "150 k", "200 k"]);
        assert_eq!(labels(1e5, 3e6), ["100 k", "200 k", "300 k", "500 k", "1 M", "2 M", "3 M"]);
        assert_eq!(labels(1e4, 3.1e6), ["10 k", "30 k", "100 k", "300 k", "1 M", "3 M"]);
        assert_eq!(step(0.3), (0.05, 0));
        assert_eq!(step(0.012), (0.002, 1));
    }

    #[test]
    fn every_point_is_inside() {
        let point = |macs, quality| Point { mark: Mark::Cell, title: "<a>".into(), macs, quality };
        let text = plot(&[point(1e6, 0.9), point(2.5e5, 0.8)], "top-1", Some(0.85)).into_string();
        let places = |name: &str| {
            let start = format!(" {name}=\"");
            text.split(&start)
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().parse::<f64>().unwrap())
                .collect::<Vec<_>>()
        };
        let (x, y) = (places("cx"), places("cy"));
        assert!(x[0] > x[1] && y[0] < y[1], "{x:?} {y:?}");
        assert!(
            x.iter().all(|x| (LEFT..=WIDTH - RIGHT).contains(x))
                && y.iter().all(|y| (TOP..=HEIGHT - BOTTOM).contains(y))
        );
        assert!(text.contains("&lt;a&gt;") && !text.contains("NaN"));
    }
}
