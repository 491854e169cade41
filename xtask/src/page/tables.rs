//! Tables whose every line says where it comes from.

use maud::{Markup, html};

/// Sources, each told once: a command and the file that it left.
#[derive(Default)]
pub(crate) struct Sources(Vec<Markup>);

impl Sources {
    /// Letters by which a line refers to a source.
    pub(crate) fn mark(&mut self, command: &str, file: &str) -> String {
        let source = match command {
            "" => html! { code { (file) } },
            _ => html! { code { (command) } " → " code { (file) } },
        };
        let known = self.0.iter().position(|known| known.0 == source.0);
        let place = known.unwrap_or_else(|| {
            self.0.push(source);
            self.0.len() - 1
        });
        char::from(b'a' + (place % 26) as u8).to_string()
    }
}

/// Columns of words.
const TEXT: [&str; 3] = ["core", "board", "unit"];

/// The cells of a line, as many as there may be columns.
fn cells(line: &Line) -> impl Iterator<Item = &str> {
    line.cells.iter().map(String::as_str).chain(std::iter::repeat(""))
}

/// A line.
pub(crate) struct Line {
    name: String,
    cells: Vec<String>,
    /// Letters of [`Sources`].
    sources: Vec<String>,
}

/// A table under construction.
pub(crate) struct Table {
    head: Vec<String>,
    lines: Vec<Line>,
    pub(crate) sources: Sources,
    notes: Vec<String>,
}

impl Table {
    /// With these columns, the first of which holds names.
    pub(crate) fn new(head: &[&str]) -> Self {
        let head = head.iter().map(ToString::to_string).collect();
        Self { head, lines: Vec::new(), sources: Sources::default(), notes: Vec::new() }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, name: impl Into<String>, cells: Vec<String>, mut sources: Vec<String>) {
        sources.sort();
        sources.dedup();
        self.lines.push(Line { name: name.into(), cells, sources });
    }

    /// Says something below the table, once.
    pub(crate) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The table with its notes and sources.
    pub(crate) fn html(&self) -> Markup {
        html! {
            div.scroll {
                table {
                    thead { tr { @for cell in &self.head { th.text[TEXT.contains(&cell.as_str())] { (cell) } } } }
                    tbody {
                        @for line in &self.lines {
                            tr {
                                th { (line.name) @for letter in &line.sources { sup { (letter) } } }
                                @for (cell, head) in cells(line).zip(&self.head[1..]) {
                                    td.text[TEXT.contains(&head.as_str())] { (cell) }
                                }
                            }
                        }
                    }
                }
            }
            @for note in &self.notes { p.note { (note) } }
            ol.sources type="a" { @for source in &self.sources.0 { li { (source) } } }
        }
    }
}
