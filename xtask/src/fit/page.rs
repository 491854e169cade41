//! A sweep as a page of its own: quality against what a network takes.

use super::point::Point;
use crate::output::{percent, thousands};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

use super::{budget::Unit, report::Before};

/// What `sweep.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sweep {
    pub(crate) model: String,
    pub(crate) board: String,
    pub(crate) emulated: bool,
    pub(crate) metric: String,
    pub(crate) unit: Unit,
    pub(crate) floor: f64,
    /// How many points it is to have.
    pub(crate) count: u32,
    pub(crate) unpruned: Before,
    pub(crate) points: Vec<Point>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 45.0;
const TOP: f64 = 30.0;

/// One point of a curve: what is taken, how good it is, and its name.
type Place<'a> = (f64, f64, &'a str);

impl Sweep {
    /// The whole page; it needs nothing from elsewhere.
    pub(crate) fn html(&self) -> String {
        let (model, board) = (escaped(&self.model), escaped(&self.board));
        let work = format!("{} per inference", self.unit);
        let charts = [
            self.chart(&work, |taken| Some(taken.work)),
            self.chart("bytes of flash", |taken| taken.flash),
            self.chart("bytes of RAM, with the stack", |taken| taken.ram),
        ];
        let standing = if self.emulated { " (emulated: instructions are no measure of time)" } else { "" };
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{model} on {board}</title>\n<style>\n\
             body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; }}\n\
             table {{ border-collapse: collapse; }}\nth, td {{ padding: .2em .9em; text-align: right; }}\n\
             th:first-child, td:first-child {{ text-align: left; }}\ntr + tr {{ border-top: 1px solid #ccc; }}\n\
             svg {{ margin: 1em 0; max-width: 100%; }}\n</style>\n<h1>{model} on {board}</h1>\n<p>{}, int8, on the test \
             samples, against what the firmware takes{standing}. The dashed line is the floor.</p>\n",
            escaped(&self.metric)
        );
        charts.into_iter().for_each(|chart| page += &chart);
        page += "<table>\n<tr><th>point<th>";
        let _ = writeln!(page, "{}<th>flash<th>RAM<th>parameters<th>{}</tr>", self.unit, escaped(&self.metric));
        let mut row = |name: &str, taken: Option<super::budget::Taken>, parameters: u64, quality: f64| {
            let cell = |value: Option<u64>| value.map_or("-".into(), thousands);
            let (work, flash) = (cell(taken.map(|taken| taken.work)), cell(taken.and_then(|taken| taken.flash)));
            let ram = cell(taken.and_then(|taken| taken.ram));
            let (name, parameters, quality) = (escaped(name), thousands(parameters), percent(quality));
            let _ = writeln!(page, "<tr><td>{name}<td>{work}<td>{flash}<td>{ram}<td>{parameters}<td>{quality}</tr>");
        };
        row("unpruned", self.unpruned.taken, self.unpruned.parameters, self.unpruned.quality);
        for point in &self.points {
            row(&format!("{}@{}", self.model, point.name), Some(point.taken), point.parameters, point.quality);
        }
        page += "</table>\n<p>Each point is deployed with <code>cargo xtask deploy MODEL@POINT --board ";
        page + &board + "</code>.</p>\n</html>\n"
    }

    /// Quality against one of the quantities.
    fn chart(&self, what: &str, of: impl Fn(&super::budget::Taken) -> Option<u64>) -> String {
        let mut places: Vec<Place<'_>> = Vec::new();
        let unpruned = self.unpruned.taken.as_ref().and_then(&of);
        places.extend(unpruned.map(|x| (x as f64, self.unpruned.quality, "unpruned")));
        places.extend(self.points.iter().filter_map(|p| Some((of(&p.taken)? as f64, p.quality, p.name.as_str()))));
        places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        if places.is_empty() {
            return String::new();
        }
        let most = places.iter().map(|place| place.0).fold(1.0, f64::max);
        let qualities = || places.iter().map(|place| place.1).chain([self.floor]);
        let (low, high) = (qualities().fold(1.0, f64::min), qualities().fold(0.0, f64::max));
        let (low, high) = (low - 0.1 * (high - low) - 1e-3, high + 0.1 * (high - low) + 1e-3);
        let x = |value: f64| LEFT + (WIDTH - LEFT - 20.0) * value / most;
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - low) / (high - low);
        let (right, base) = (x(most), y(low));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" role=\"img\" font-size=\"12\" \
             font-family=\"sans-serif\">\n<title>quality against {what}</title>\n\
             <path d=\"M{LEFT} {TOP}V{base:.1}H{right:.1}\" fill=\"none\" stroke=\"#333\"/>\n"
        );
        for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let (at, quality) = (x(most * part), low + (high - low) * part);
            let _ = write!(
                svg,
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n<text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>\n",
                base + 16.0,
                thousands((most * part) as u64),
                LEFT - 6.0,
                y(quality) + 4.0,
                percent(quality)
            );
        }
        let (middle, below, floor) = ((LEFT + right) / 2.0, HEIGHT - 8.0, y(self.floor));
        let line: Vec<String> = places.iter().map(|place| format!("{:.1},{:.1}", x(place.0), y(place.1))).collect();
        let _ = write!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{what}</text>\n<path d=\"M{LEFT} \
             {floor:.1}H{right:.1}\" stroke=\"#a33\" stroke-dasharray=\"4 4\"/>\n<polyline points=\"{}\" fill=\"none\" \
             stroke=\"#27a\"/>\n",
            line.join(" ")
        );
        for (at, quality, name) in places {
            let (text, name) = (format!("{}: {}, {}", name, thousands(at as u64), percent(quality)), escaped(name));
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#27a\"><title>{}</title></circle>\n<text \
                 x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"10\">{name}</text>\n",
                x(at),
                y(quality),
                escaped(&text),
                x(at) - 6.0,
                y(quality) - 7.0
            );
        }
        svg + "</svg>\n"
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::budget::Taken;

    #[test]
    fn a_page_needs_nothing_else_and_escapes_names() {
        let taken = Some(Taken { work: 1000, flash: Some(10), ram: None });
        let sweep = Sweep {
            model: "a<b".into(),
            board: "board".into(),
            emulated: true,
            metric: "top-1".into(),
            unit: Unit::Instructions,
            floor: 0.9,
            count: 1,
            unpruned: Before { taken, quality: 0.95, parameters: 7 },
            points: Vec::new(),
        };
        let page = sweep.html();
        assert!(page.contains("a&lt;b on board") && !page.contains("a<b"), "{page}");
        assert_eq!(page.matches("<svg").count(), 2, "no curve of what is not known");
        assert!(!page.contains("http") && page.contains("1 000") && page.contains("95.00 %"), "{page}");
    }
}
