//! Judges, timers and records: what a kernel has to show before anyone believes it.
//!
//! - [`compare`]: is this output what it has to be, and how much of its tolerance did it use?
//! - [`Trial`]: one case with its inputs and its truth, judged on any stream and variant.
//! - [`mutants`]: wrong outputs made from right ones, to show that the judges can fail.
//! - [`race`]: contestants timed turn by turn in one run; medians, not best of all.
//! - [`Peaks`]: what this machine can do, measured now.
//! - [`Row`], [`write_record`], [`read_record`]: what was measured, as CSV.
//! - [`html`]: the same as one page.
//!
//! Everything takes kernels as an argument; nothing here knows any by name.

mod compare;
mod document;
mod judge;
mod mutate;
mod origin;
mod peaks;
mod plot;
mod record;
mod report;
mod time;

pub use compare::{Mismatch, Worst, compare};
pub use document::with_tables;
pub use judge::{Failure, Trial, upload};
pub use mutate::{Fate, Mutant, mutants};
pub use origin::Origin;
pub use peaks::{Peaks, Yardsticks};
pub use record::{Role, Row, best_peer, read_record, write_record};
pub use report::html;
pub use time::{Contestant, KernelContestant, Pace, Sample, Summary, Timing, race, timed};
