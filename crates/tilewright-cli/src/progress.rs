//! Bars on the standard error; hidden where that is no terminal.

use std::borrow::Cow;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);
/// Work that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// For work of known length.
pub(crate) fn bar(length: usize, message: &'static str) -> ProgressBar {
    styled(ProgressBar::new(length as u64), "{msg:24} {bar:30} {pos}/{len} {elapsed}", message)
}

/// For work of unknown length.
pub(crate) fn spinner(message: impl Into<Cow<'static, str>>) -> ProgressBar {
    styled(ProgressBar::new_spinner(), "{msg:24} {spinner} {elapsed}", message)
}

/// Does the work, under a spinner from the moment when it has taken a second.
pub(crate) fn during<T>(message: String, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let start = Instant::now();
        let (working, over) = channel::<()>();
        scope.spawn(move || {
            if over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let bar = spinner(message).with_elapsed(start.elapsed());
                // Until the sender is dropped, also by a panic of the work.
                let _ = over.recv();
                bar.finish_and_clear();
            }
        });
        let result = work();
        drop(working);
        result
    })
}

fn styled(bar: ProgressBar, template: &str, message: impl Into<Cow<'static, str>>) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
    bar.set_message(message);
    bar.enable_steady_tick(TICK);
    bar
}
