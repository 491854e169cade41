//! Progress on stderr: a bar or spinner where stderr is a terminal, a few plain lines where it is not.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{io::IsTerminal, sync::LazyLock, time::Duration};

static ALL: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints a line on stderr without tearing a bar apart.
pub(crate) fn println(text: &str) {
    ALL.suspend(|| eprintln!("{text}"));
}

/// A bar over `len` steps that is gone when it is dropped.
pub(crate) fn bar(len: usize, what: &str) -> Progress {
    let bar = ALL.add(ProgressBar::new(len as u64));
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_string());
    Progress(bar)
}

/// A spinner that is gone when it is dropped.
pub(crate) fn spinner(what: &str) -> Progress {
    if !std::io::stderr().is_terminal() {
        println(what);
    }
    let bar = ALL.add(ProgressBar::new_spinner());
    let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_prefix(what.to_string());
    bar.enable_steady_tick(Duration::from_millis(120));
    Progress(bar)
}

/// A bar or a spinner.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Says what is being done just now.
    pub(crate) fn say(&self, text: &str) {
        self.0.set_message(text.to_string());
    }

    /// One step more.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        ALL.remove(&self.0);
    }
}
