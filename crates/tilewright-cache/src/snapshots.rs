//! States of recurrent models by the tokens that led to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pool::Key;

/// States by prefix, within a budget of bytes: what was used longest ago makes room. A state is whatever a model carries from one token to the next;
/// tensors are values, so that keeping one copies nothing until it is written to.
///
/// ```
/// use tilewright_cache::Snapshots;
///
/// let states = Snapshots::new(100);
/// states.put(&[1, 2, 3], 0, "after three", 60);
/// states.put(&[1, 2], 0, "after two", 40);
/// assert_eq!(states.longest(&[1, 2, 3, 4], 0).map(|(tokens, state)| (tokens, *state)), Some((3, "after three")));
/// states.put(&[9], 0, "another", 10);
/// assert_eq!(states.longest(&[1, 2, 3, 4], 0).map(|(tokens, _)| tokens), Some(3), "the one of two tokens was used longest ago");
/// assert_eq!(states.longest(&[1, 2], 0), None);
/// ```
#[derive(Debug)]
pub struct Snapshots<S> {
    budget: usize,
    inner: Mutex<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    states: HashMap<Key, Entry<S>>,
    /// How many states there are of each number of tokens.
    lengths: BTreeMap<usize, usize>,
    /// By when they were last used.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<S> {
    state: Arc<S>,
    tokens: usize,
    bytes: usize,
    used: u64,
}

impl<S> Inner<S> {
    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.states.remove(key) else { return };
        self.order.remove(&entry.used);
        self.bytes -= entry.bytes;
        if let Some(count) = self.lengths.get_mut(&entry.tokens) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&entry.tokens);
            }
        }
    }
}

impl<S> Snapshots<S> {
    /// None yet.
    pub fn new(budget: usize) -> Self {
        let inner = Inner {
            states: HashMap::new(),
            lengths: BTreeMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            bytes: 0,
        };
        Snapshots { budget, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the state after these tokens, in the place of an earlier one, and says whether there is room for it: one that is larger than the whole
    /// budget is not kept.
    pub fn put(&self, tokens: &[u32], salt: u64, state: S, bytes: usize) -> bool {
        let key = Key::root(salt).then(tokens);
        let mut inner = self.lock();
        inner.remove(&key);
        if bytes > self.budget {
            return false;
        }
        while inner.bytes > self.budget - bytes {
            let Some((_, oldest)) = inner.order.pop_first() else { break };
            inner.remove(&oldest);
        }
        let used = inner.clock;
        inner.clock += 1;
        inner.bytes += bytes;
        inner.order.insert(used, key);
        *inner.lengths.entry(tokens.len()).or_default() += 1;
        inner.states.insert(key, Entry { state: Arc::new(state), tokens: tokens.len(), bytes, used });
        true
    }

    /// The state after most of these tokens, and after how many.
    pub fn longest(&self, tokens: &[u32], salt: u64) -> Option<(usize, Arc<S>)> {
        let lengths: Vec<usize> =
            self.lock().lengths.range(..=tokens.len()).map(|(&length, _)| length).collect();
        // Hashed without the lock: a prompt is long.
        let root = Key::root(salt);
        for length in lengths.into_iter().rev() {
            let key = root.then(&tokens[..length]);
            let mut inner = self.lock();
            let clock = inner.clock;
            let Some(entry) = inner.states.get_mut(&key) else { continue };
            let (before, state) = (std::mem::replace(&mut entry.used, clock), entry.state.clone());
            inner.clock += 1;
            inner.order.remove(&before);
            inner.order.insert(clock, key);
            return Some((length, state));
        }
        None
    }

    /// Bytes of the states that are kept.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }
}
