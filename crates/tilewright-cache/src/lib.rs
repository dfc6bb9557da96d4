//! Caches of keys and values, paged and contiguous: who owns which block, and which recurrent states are kept.
//!
//! - [`Manager`]: sequences over blocks of keys and values: prefixes that are shared by their hashes, copy-on-write, eviction of what was used longest
//!   ago, a budget, swapping to the host, a sliding window; from any thread.
//! - [`Snapshots`]: states of recurrent models (C, n, m and what a convolution remembers) by the tokens that led to them, within a budget.
//! - [`StoredState`]: such a state in few bytes: bf16 or integers of 8 bits, with what rounding lost kept beside it, and its error.
//! - [`KvCache`]: sequences that each have one stretch of memory: growing, or turning round in a window; plain or quantised; forked, merged, taken apart.
//! - [`KvStore`]: the tensors of a layer, quantised or not, on which the copies that a manager asks for are made with the kernels of `tilewright_kernels::cache`.
//!
//! ```
//! use tilewright_cache::{Budget, Manager};
//!
//! let manager = Manager::new(Budget { blocks: 8, host_blocks: 0, block: 4 })?;
//! let prompt: Vec<u32> = (0..10).collect();
//! let first = manager.admit(&prompt, 0)?;
//! assert_eq!(first.cached, 0);
//! // ... the keys and values of all ten tokens are written to manager.slots(first.sequence, 0..10)? ...
//! manager.commit(first.sequence, 10)?;
//! // The same prompt again: its two whole blocks are there already.
//! assert_eq!(manager.admit(&prompt, 0)?.cached, 8);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod contiguous;
mod manager;
mod pool;
mod snapshots;
mod states;
mod store;

pub use contiguous::{KvCache, KvCacheArgs, Window};
pub use manager::{Admitted, Budget, Copy, Manager, SequenceId, Statistics};
pub use snapshots::Snapshots;
pub use states::{StateFormat, StoredState, Values};
pub use store::KvStore;
