//! Sequences over blocks.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tilewright_core::{Error, Result, Tensor};

use crate::pool::{Key, Pool};

const NAME: &str = "cache manager";

/// How much a manager may hand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Blocks on the device.
    pub blocks: usize,
    /// Blocks on the host, for sequences that are swapped out.
    pub host_blocks: usize,
    /// Tokens of a block.
    pub block: usize,
}

impl Budget {
    /// As many blocks as fit into these bytes, where one token takes `token_bytes` over all layers.
    pub fn of_bytes(device: usize, host: usize, block: usize, token_bytes: usize) -> Self {
        let bytes = block.saturating_mul(token_bytes).max(1);
        Budget { blocks: device / bytes, host_blocks: host / bytes, block }
    }
}

/// A sequence of a [`Manager`]. Never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(u64);

/// A sequence that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its name.
    pub sequence: SequenceId,
    /// How many of its first tokens lie in the cache already: whole blocks, and never the last token, whose logits the caller wants.
    pub cached: usize,
}

/// A whole block that has to be copied, before anything else is written to the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Its block.
    pub from: u32,
    /// Where it goes: on the device; of [`Manager::swap_out`] on the host.
    pub to: u32,
}

/// What a manager has done, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Sequences that are alive, swapped out or not.
    pub sequences: usize,
    /// Blocks that sequences have.
    pub used: usize,
    /// Blocks that are kept for their prefixes alone.
    pub idle: usize,
    /// Blocks that hold nothing.
    pub empty: usize,
    /// Blocks on the host that sequences have.
    pub host_used: usize,
    /// Tokens of admitted sequences.
    pub asked: u64,
    /// Those that were found.
    pub found: u64,
    /// Prefix blocks that made room for others.
    pub evicted: u64,
    /// Blocks copied because they were shared and about to be written.
    pub copied: u64,
    /// Sequences and tokens that were turned away for want of blocks.
    pub refused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Device,
    Host,
}

#[derive(Debug, Clone)]
struct Sequence {
    tokens: Vec<u32>,
    /// How many tokens' keys and values are written.
    written: usize,
    /// Keys of the whole blocks that are written.
    keys: Vec<Key>,
    root: Key,
    /// `None`: given back, before the window.
    table: Vec<Option<u32>>,
    place: Place,
}

#[derive(Debug)]
struct State {
    device: Pool,
    host: Pool,
    sequences: HashMap<SequenceId, Sequence>,
    next: u64,
    statistics: Statistics,
}

/// Which sequence has which blocks. Every call is one step to all other threads; one that fails changes nothing.
///
/// A manager moves no bytes itself: what it says has to be done, has to be done in that order, by one stream or in step.
#[derive(Debug)]
pub struct Manager {
    block: usize,
    state: Mutex<State>,
}

fn unknown(sequence: SequenceId) -> Error {
    Error::range(NAME, "sequence", "one that is alive", sequence.0)
}

impl State {
    fn on_device(&mut self, id: SequenceId) -> Result<&mut Sequence> {
        match self.sequences.get_mut(&id) {
            Some(sequence) if sequence.place == Place::Device => Ok(sequence),
            Some(_) => Err(Error::range(NAME, "sequence", "one that is not swapped out", id.0)),
            None => Err(unknown(id)),
        }
    }

    fn add(&mut self, sequence: Sequence) -> SequenceId {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, sequence);
        id
    }

    /// Refuses where fewer than `blocks` can be taken.
    fn check_room(&mut self, blocks: usize, available: usize) -> Result<()> {
        if blocks <= available {
            return Ok(());
        }
        self.statistics.refused += 1;
        let expected = format!("at most {available}, the blocks that can be taken");
        Err(Error::range(NAME, "blocks", expected, blocks))
    }

    fn take(&mut self) -> u32 {
        self.device.take().expect("so many blocks can be taken")
    }

    /// Last block first, so that of a prefix its end is evicted first.
    fn leave(&mut self, table: &[Option<u32>], place: Place) {
        let pool = if place == Place::Device { &mut self.device } else { &mut self.host };
        table.iter().rev().flatten().for_each(|&block| pool.leave(block));
    }
}

impl Manager {
    /// Of empty blocks. Fails where a block has no tokens, or there are 2^31 slots or more.
    pub fn new(budget: Budget) -> Result<Self> {
        if budget.block == 0 {
            return Err(Error::range(NAME, "block", "at least 1 token", 0));
        }
        for (name, blocks) in [("blocks", budget.blocks), ("host_blocks", budget.host_blocks)] {
            if blocks.checked_mul(budget.block).is_none_or(|slots| slots > i32::MAX as usize) {
                return Err(Error::range(NAME, name, "fewer than 2^31 slots", blocks));
            }
        }
        let state = State {
            device: Pool::new(budget.blocks),
            host: Pool::new(budget.host_blocks),
            sequences: HashMap::new(),
            next: 0,
            statistics: Statistics::default(),
        };
        Ok(Manager { block: budget.block, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic within a step would be a bug of this crate; the others may still read and release.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a sequence in, with blocks for all its tokens. Its longest prefix of whole blocks that are in the cache is shared, but only with
    /// sequences of the same salt: a tenant's, say. Fails where the blocks do not suffice, even if all idle ones are evicted.
    pub fn admit(&self, tokens: &[u32], salt: u64) -> Result<Admitted> {
        let mut state = self.lock();
        let root = Key::root(salt);
        let (mut keys, mut shared, mut idle) = (Vec::new(), Vec::new(), 0);
        // Never the last token.
        let whole = tokens.len().saturating_sub(1) / self.block;
        for tokens in tokens.chunks_exact(self.block).take(whole) {
            let key = keys.last().unwrap_or(&root).then(tokens);
            let Some(block) = state.device.find(&key) else { break };
            idle += usize::from(state.device.users(block) == 0);
            keys.push(key);
            shared.push(block);
        }
        let needed = tokens.len().div_ceil(self.block) - shared.len();
        let available = state.device.available() - idle;
        state.check_room(needed, available)?;
        shared.iter().for_each(|&block| state.device.share(block));
        let cached = shared.len() * self.block;
        let mut table: Vec<Option<u32>> = shared.into_iter().map(Some).collect();
        table.extend((0..needed).map(|_| Some(state.take())));
        state.statistics.asked += tokens.len() as u64;
        state.statistics.found += cached as u64;
        let tokens = tokens.to_vec();
        let sequence = Sequence { tokens, written: cached, keys, root, table, place: Place::Device };
        Ok(Admitted { sequence: state.add(sequence), cached })
    }

    /// The keys and values of the first `written` tokens are in the cache (or will be, before anything that is launched from now on): whole blocks of
    /// them can be shared. Fails on more tokens than there are.
    pub fn commit(&self, id: SequenceId, written: usize) -> Result<()> {
        let mut state = self.lock();
        let sequence = state.on_device(id)?;
        let tokens = sequence.tokens.len();
        if written > tokens {
            return Err(Error::range(NAME, "written", format!("at most {tokens} tokens"), written));
        }
        sequence.written = sequence.written.max(written);
        let mut fresh = Vec::new();
        for at in sequence.keys.len()..sequence.written / self.block {
            let tokens = &sequence.tokens[at * self.block..][..self.block];
            let key = sequence.keys.last().unwrap_or(&sequence.root).then(tokens);
            sequence.keys.push(key);
            fresh.extend(sequence.table[at].map(|block| (block, key)));
        }
        fresh.into_iter().for_each(|(block, key)| state.device.publish(block, key));
        Ok(())
    }

    /// Appends tokens, with blocks for them. The copies have to be made before the tokens are written. Fails where the blocks do not suffice.
    pub fn append(&self, id: SequenceId, tokens: &[u32]) -> Result<Vec<Copy>> {
        let mut state = self.lock();
        let sequence = state.on_device(id)?;
        let (length, blocks) = (sequence.tokens.len(), sequence.table.len());
        let last = sequence.table.last().copied().flatten();
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let needed = (length + tokens.len()).div_ceil(self.block) - blocks;
        // A last block that is not full is written to: it must be this sequence's own, and hold what no one looks for.
        let open = last.filter(|_| !length.is_multiple_of(self.block));
        let shared = open.filter(|&block| state.device.users(block) > 1);
        let available = state.device.available();
        state.check_room(needed + usize::from(shared.is_some()), available)?;
        let mut copies = Vec::new();
        let mut fresh = Vec::with_capacity(needed);
        if let Some(from) = shared {
            let to = state.take();
            state.device.leave(from);
            state.statistics.copied += 1;
            copies.push(Copy { from, to });
        } else if let Some(block) = open {
            state.device.forget(block);
        }
        fresh.extend((0..needed).map(|_| Some(state.take())));
        let sequence = state.on_device(id)?;
        if let (Some(copy), Some(last)) = (copies.first(), sequence.table.last_mut()) {
            *last = Some(copy.to);
        }
        sequence.table.extend(fresh);
        sequence.tokens.extend_from_slice(tokens);
        Ok(copies)
    }

    /// Takes tokens from the end, so that `length` are left: what a draft got wrong. Fails on more than there are, or on tokens before the window.
    pub fn trim(&self, id: SequenceId, length: usize) -> Result<()> {
        let mut state = self.lock();
        let sequence = state.on_device(id)?;
        let tokens = sequence.tokens.len();
        if length > tokens {
            return Err(Error::range(NAME, "length", format!("at most {tokens}"), length));
        }
        if !length.is_multiple_of(self.block) && sequence.table[length / self.block].is_none() {
            return Err(Error::range(NAME, "length", "a token that is still there", length));
        }
        sequence.tokens.truncate(length);
        sequence.written = sequence.written.min(length);
        sequence.keys.truncate(length / self.block);
        let dropped = sequence.table.split_off(length.div_ceil(self.block));
        state.leave(&dropped, Place::Device);
        Ok(())
    }

    /// Another sequence with the same tokens and blocks, which part when one of them is written to.
    pub fn fork(&self, id: SequenceId) -> Result<SequenceId> {
        let mut state = self.lock();
        let sequence = state.on_device(id)?.clone();
        sequence.table.iter().flatten().for_each(|&block| state.device.share(block));
        Ok(state.add(sequence))
    }

    /// Gives back the blocks that lie wholly between the first `keep` tokens and the last `window`. Their entries of the table become -1.
    pub fn slide(&self, id: SequenceId, keep: usize, window: usize) -> Result<()> {
        let mut state = self.lock();
        let block = self.block;
        let sequence = state.on_device(id)?;
        let end = sequence.tokens.len().saturating_sub(window) / block;
        let first = keep.div_ceil(block).min(end);
        let dropped: Vec<_> = sequence.table[first..end].iter_mut().map(Option::take).collect();
        state.leave(&dropped, Place::Device);
        Ok(())
    }

    /// Ends a sequence. Its whole blocks stay for others until their place is needed.
    pub fn release(&self, id: SequenceId) -> Result<()> {
        let mut state = self.lock();
        let sequence = state.sequences.remove(&id).ok_or_else(|| unknown(id))?;
        state.leave(&sequence.table, sequence.place);
        Ok(())
    }

    /// Moves a sequence to the host. The copies, from device to host, have to be made before anything else is written. Fails where the host has too
    /// few blocks.
    pub fn swap_out(&self, id: SequenceId) -> Result<Vec<Copy>> {
        self.swap(id, Place::Device)
    }

    /// Moves a sequence back, with copies from host to device. Fails where the device has too few blocks.
    pub fn swap_in(&self, id: SequenceId) -> Result<Vec<Copy>> {
        self.swap(id, Place::Host)
    }

    fn swap(&self, id: SequenceId, from: Place) -> Result<Vec<Copy>> {
        let mut state = self.lock();
        let sequence = state.sequences.get(&id).ok_or_else(|| unknown(id))?;
        if sequence.place != from {
            let expected = if from == Place::Device { "one on the device" } else { "one on the host" };
            return Err(Error::range(NAME, "sequence", expected, id.0));
        }
        let old = sequence.table.clone();
        let needed = old.iter().flatten().count();
        let to = if from == Place::Device { Place::Host } else { Place::Device };
        let available = if to == Place::Device { state.device.available() } else { state.host.available() };
        state.check_room(needed, available)?;
        let mut copies = Vec::with_capacity(needed);
        let mut table = Vec::with_capacity(old.len());
        for &block in &old {
            table.push(block.map(|from| {
                let pool = if to == Place::Device { &mut state.device } else { &mut state.host };
                let to = pool.take().expect("so many blocks can be taken");
                copies.push(Copy { from, to });
                to
            }));
        }
        state.leave(&old, from);
        let sequence = state.sequences.get_mut(&id).ok_or_else(|| unknown(id))?;
        (sequence.table, sequence.place) = (table, to);
        let known: Vec<(u32, Key)> = sequence
            .table
            .iter()
            .zip(&sequence.keys)
            .filter_map(|(block, key)| Some(((*block)?, *key)))
            .collect();
        if to == Place::Device {
            known.into_iter().for_each(|(block, key)| state.device.publish(block, key));
        }
        Ok(copies)
    }

    /// The tokens of a sequence.
    pub fn tokens(&self, id: SequenceId) -> Result<Vec<u32>> {
        Ok(self.lock().sequences.get(&id).ok_or_else(|| unknown(id))?.tokens.clone())
    }

    /// Where tokens lie, as `kv_append` takes it: `block number * block + place`; -1 before the window.
    pub fn slots(&self, id: SequenceId, range: Range<usize>) -> Result<Vec<i64>> {
        let mut state = self.lock();
        let sequence = state.on_device(id)?;
        let tokens = sequence.tokens.len();
        if range.end > tokens || range.start > range.end {
            return Err(Error::range(NAME, "range", format!("within 0..{tokens}"), format!("{range:?}")));
        }
        let block = self.block;
        let slot = |at: usize| match sequence.table[at / block] {
            Some(number) => i64::from(number) * block as i64 + (at % block) as i64,
            None => -1,
        };
        Ok(range.map(slot).collect())
    }

    /// The table `[b, m]` and lengths `[b]` of a batch, as `kv_gather` and `attention_decode` take them: m is that of the longest, -1 what is not there.
    pub fn batch(&self, ids: &[SequenceId]) -> Result<(Tensor, Tensor)> {
        let mut state = self.lock();
        let mut rows = Vec::with_capacity(ids.len());
        let mut lengths = Vec::with_capacity(ids.len());
        for &id in ids {
            let sequence = state.on_device(id)?;
            lengths.push(sequence.tokens.len() as i32);
            rows.push(sequence.table.clone());
        }
        drop(state);
        let entries = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut table = vec![-1; ids.len() * entries];
        for (row, own) in table.chunks_mut(entries.max(1)).zip(&rows) {
            row.iter_mut()
                .zip(own)
                .for_each(|(entry, block)| *entry = block.map_or(-1, |block| block as i32));
        }
        Ok((Tensor::from_vec(table, [ids.len(), entries])?, Tensor::from_vec(lengths, [ids.len()])?))
    }

    /// Forgets all prefixes that no sequence has.
    pub fn clear(&self) {
        self.lock().device.clear();
    }

    /// What was done so far, and what is held now.
    pub fn statistics(&self) -> Statistics {
        let state = self.lock();
        let (device, host) = (&state.device, &state.host);
        Statistics {
            sequences: state.sequences.len(),
            used: device.len() - device.available(),
            idle: device.idle(),
            empty: device.empty(),
            host_used: host.len() - host.available(),
            evicted: device.evicted,
            ..state.statistics
        }
    }
}
