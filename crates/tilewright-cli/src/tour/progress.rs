//! Bars on the standard error; hidden where that is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// For work of known length.
pub(super) fn bar(length: usize, message: &'static str) -> ProgressBar {
    styled(ProgressBar::new(length as u64), "{msg:24} {bar:30} {pos}/{len} {elapsed}", message)
}

/// For work of unknown length.
pub(super) fn spinner(message: &'static str) -> ProgressBar {
    styled(ProgressBar::new_spinner(), "{msg:24} {spinner} {elapsed}", message)
}

fn styled(bar: ProgressBar, template: &str, message: &'static str) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
    bar.set_message(message);
    bar.enable_steady_tick(TICK);
    bar
}
