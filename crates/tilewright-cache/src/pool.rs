//! Blocks: how many sequences have each, which of them are whole and known by their hash, and which of those nobody has.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

/// What a whole block holds: the hash of its tokens and of everything before them. Two prefixes with one key are one prefix, as far as SHA-256 can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Of nothing, in a name space of its own for each salt.
    pub(crate) fn root(salt: u64) -> Self {
        Key(Sha256::digest(salt.to_le_bytes()).into())
    }

    /// Of one block more.
    pub(crate) fn then(&self, tokens: &[u32]) -> Self {
        let mut hash = Sha256::new_with_prefix(self.0);
        tokens.iter().for_each(|token| hash.update(token.to_le_bytes()));
        Key(hash.finalize().into())
    }
}

#[derive(Debug, Clone, Default)]
struct Block {
    /// How many sequences have it.
    users: u32,
    key: Option<Key>,
    /// Its place in the order of eviction, while nobody has it.
    left: u64,
}

#[derive(Debug)]
pub(crate) struct Pool {
    blocks: Vec<Block>,
    /// Blocks that hold nothing.
    empty: Vec<u32>,
    /// Whole blocks by what they hold.
    known: HashMap<Key, u32>,
    /// Known blocks that nobody has, by when they were left.
    idle: BTreeMap<u64, u32>,
    clock: u64,
    pub(crate) evicted: u64,
}

impl Pool {
    pub(crate) fn new(blocks: usize) -> Self {
        Pool {
            blocks: vec![Block::default(); blocks],
            // The first block is taken first.
            empty: (0..blocks as u32).rev().collect(),
            known: HashMap::new(),
            idle: BTreeMap::new(),
            clock: 0,
            evicted: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn empty(&self) -> usize {
        self.empty.len()
    }

    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Blocks that can be taken.
    pub(crate) fn available(&self) -> usize {
        self.empty.len() + self.idle.len()
    }

    pub(crate) fn users(&self, block: u32) -> u32 {
        self.blocks[block as usize].users
    }

    pub(crate) fn find(&self, key: &Key) -> Option<u32> {
        self.known.get(key).copied()
    }

    /// An empty block for one user: where there is none, that of the known ones which was left first.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let block = match self.empty.pop() {
            Some(block) => block,
            None => {
                let (_, block) = self.idle.pop_first()?;
                self.forget(block);
                self.evicted += 1;
                block
            }
        };
        self.blocks[block as usize].users = 1;
        Some(block)
    }

    /// One user more.
    pub(crate) fn share(&mut self, block: u32) {
        let own = &mut self.blocks[block as usize];
        if own.users == 0 {
            self.idle.remove(&own.left);
        }
        own.users += 1;
    }

    /// One user less. A known block stays until its place is needed.
    pub(crate) fn leave(&mut self, block: u32) {
        let own = &mut self.blocks[block as usize];
        own.users -= 1;
        if own.users > 0 {
            return;
        }
        if own.key.is_some() {
            own.left = self.clock;
            self.clock += 1;
            self.idle.insert(own.left, block);
        } else {
            self.empty.push(block);
        }
    }

    /// Makes a whole block known by what it holds, unless another block that holds the same is.
    pub(crate) fn publish(&mut self, block: u32, key: Key) {
        if self.blocks[block as usize].key.is_none() && !self.known.contains_key(&key) {
            self.blocks[block as usize].key = Some(key);
            self.known.insert(key, block);
        }
    }

    /// The block is about to hold something else.
    pub(crate) fn forget(&mut self, block: u32) {
        if let Some(key) = self.blocks[block as usize].key.take() {
            self.known.remove(&key);
        }
    }

    /// Forgets all blocks that nobody has.
    pub(crate) fn clear(&mut self) {
        for block in std::mem::take(&mut self.idle).into_values() {
            self.forget(block);
            self.empty.push(block);
        }
    }
}
