//! The append log beside an index file: every change is on the disk before it is acknowledged, and is made again when the index is opened.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `TWSEALOG` |
//! | 4 | version, 1 |
//! | 4 | 0 |
//! | 32 | the checksum in the head of the index file that the changes come after |
//! | 32 | SHA-256 of the bytes before |
//! | | records |
//!
//! A record: length of its payload (u64), kind (u32: 1 add, 2 remove, 3 update, 4 seal), the first four bytes of SHA-256 of these, payload, SHA-256 of all of it. The payload of 1 and 3 is the
//! number of ids (u64), the ids (i64) and the vectors (f32, or bytes of bits); of 2 the ids; of 4 the checksum of the index file that holds everything before it.
//!
//! A checkpoint seals the log, puts the new index file in its place and empties the log. Killed in between, it leaves a log that is sealed for the file that
//! is there, and is emptied then; killed before, a log that goes on after its seal.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tilewright_core::{Error, Result};

const MAGIC: &[u8; 8] = b"TWSEALOG";
const VERSION: u32 = 1;
/// Bytes before the records.
const HEAD: usize = 80;
/// Bytes of a record before and after its payload.
const BEFORE: usize = 16;
const AFTER: usize = 32;

/// What identifies an index file: the checksum in its head, which stands for every byte of it.
pub(crate) type Identity = [u8; 32];

/// A change that is made again when the index is opened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// Vectors, one after another, as bytes of what they are made of, under ids that are new.
    Add(Vec<i64>, Vec<u8>),
    Remove(Vec<i64>),
    /// Vectors under ids whether they are new or not.
    Update(Vec<i64>, Vec<u8>),
}

enum Record {
    Change(Change),
    Seal(Identity),
}

/// The open log of an index file.
pub(crate) struct Log {
    /// The index file.
    index: PathBuf,
    path: PathBuf,
    file: File,
    /// Bytes that are known to be on the disk.
    length: u64,
    /// Whether a failed append may have left something behind them.
    broken: bool,
}

impl Log {
    /// Opens the log of an index file, or begins one. The file's identity is asked for once nobody else can put another in its place. Gives the changes to make again. Whatever a kill left half-written at its
    /// end, which nobody has been told of, is cut off.
    pub(crate) fn open(
        index: &Path,
        identity: impl FnOnce() -> Result<Identity>,
    ) -> Result<(Self, Vec<Change>)> {
        let mut path = index.as_os_str().to_owned();
        path.push(".log");
        let path = PathBuf::from(path);
        let failed = |why: &dyn std::fmt::Display| Error::file("open", &path, why);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|why| failed(&why))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed(&"is in use: one process at a time changes an index"));
            }
            Err(TryLockError::Error(why)) => return Err(failed(&why)),
        }
        let identity = &identity()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|why| failed(&why))?;
        let mut log = Self { index: index.to_owned(), path, file, length: 0, broken: false };
        // A head that is not whole precedes no record.
        if bytes.len() < HEAD {
            log.begin(identity)?;
            return Ok((log, Vec::new()));
        }
        let (records, length) = parse(&bytes).map_err(|why| log.failed(why))?;
        let follows: Identity = bytes[16..48].try_into().expect("32 bytes");
        if follows == *identity {
            if length < bytes.len() {
                log.file
                    .set_len(length as u64)
                    .and_then(|()| log.file.sync_all())
                    .map_err(|why| log.failed(why))?;
            }
            log.length = length as u64;
            let changes = records.into_iter().filter_map(|record| match record {
                Record::Change(change) => Some(change),
                Record::Seal(_) => None,
            });
            return Ok((log, changes.collect()));
        }
        match records.last() {
            Some(Record::Seal(sealed)) if sealed == identity => {
                log.begin(identity)?;
                Ok((log, Vec::new()))
            }
            _ => Err(log.failed("belongs to another index file than the one beside it")),
        }
    }

    fn failed(&self, why: impl std::fmt::Display) -> Error {
        Error::file("log", &self.path, why)
    }

    /// The index file.
    pub(crate) fn index(&self) -> &Path {
        &self.index
    }

    /// Bytes of the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.length
    }

    /// Empties the log: what it held is in the index file of this identity.
    pub(crate) fn begin(&mut self, identity: &Identity) -> Result<()> {
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(identity);
        let sum = Sha256::digest(&head);
        head.extend_from_slice(&sum);
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&head)?;
            file.sync_all()
        };
        self.broken = true;
        write(&mut self.file).map_err(|why| Error::file("log", &self.path, why))?;
        (self.length, self.broken) = (HEAD as u64, false);
        Ok(())
    }

    /// Returns when the change is on the disk.
    pub(crate) fn append(&mut self, change: &Change) -> Result<()> {
        let with_vectors = |ids: &[i64], vectors: &[u8]| {
            let count = (ids.len() as u64).to_le_bytes();
            [&count, bytemuck::cast_slice(ids), vectors].concat()
        };
        let (kind, payload) = match change {
            Change::Add(ids, vectors) => (1, with_vectors(ids, vectors)),
            Change::Remove(ids) => (2, bytemuck::cast_slice(ids).to_vec()),
            Change::Update(ids, vectors) => (3, with_vectors(ids, vectors)),
        };
        self.write(kind, &payload)
    }

    /// Notes that the index file of this identity, which is about to take its place, holds everything so far.
    pub(crate) fn seal(&mut self, identity: &Identity) -> Result<()> {
        self.write(4, identity)
    }

    fn write(&mut self, kind: u32, payload: &[u8]) -> Result<()> {
        if self.broken {
            return Err(self.failed("takes no changes since one could not be written: open the index again"));
        }
        let mut record = Vec::with_capacity(BEFORE + payload.len() + AFTER);
        record.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        record.extend_from_slice(&kind.to_le_bytes());
        let sum = Sha256::digest(&record);
        record.extend_from_slice(&sum[..4]);
        record.extend_from_slice(payload);
        let sum = Sha256::digest(&record);
        record.extend_from_slice(&sum);
        self.broken = true;
        let written = self
            .file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| self.file.write_all(&record))
            .and_then(|()| self.file.sync_data());
        if let Err(why) = written {
            // Without what was half-written the log goes on; otherwise it stays broken.
            self.broken = self.file.set_len(self.length).and_then(|()| self.file.sync_data()).is_err();
            return Err(self.failed(why));
        }
        self.length += record.len() as u64;
        self.broken = false;
        Ok(())
    }
}

/// The records, and where the last whole one ends. What follows it may be part of one record, or what a file system shows for bytes that never arrived.
fn parse(bytes: &[u8]) -> std::result::Result<(Vec<Record>, usize), String> {
    if &bytes[..8] != MAGIC || Sha256::digest(&bytes[..48])[..] != bytes[48..HEAD] {
        return Err("is no log: its head is not whole".to_owned());
    }
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    if word(8) != VERSION {
        return Err(format!("has version {}, this program reads {VERSION}", word(8)));
    }
    let (mut records, mut at) = (Vec::new(), HEAD);
    while bytes.len() - at >= BEFORE {
        let damaged =
            || format!("is damaged: the record at byte {at} does not fit its checksum, and is not cut off");
        if Sha256::digest(&bytes[at..at + 12])[..4] != bytes[at + 12..at + BEFORE] {
            // An unwritten end may show as zeros of any number.
            if bytes[at..].iter().all(|&byte| byte == 0) {
                break;
            }
            return Err(damaged());
        }
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| at.checked_add(BEFORE + AFTER)?.checked_add(length));
        let Some(end) = end.filter(|&end| end <= bytes.len()) else { break };
        let (record, sum) = bytes[at..end].split_at(end - at - AFTER);
        if Sha256::digest(record)[..] != *sum {
            // Only the last record can be half there.
            if end == bytes.len() {
                break;
            }
            return Err(damaged());
        }
        let record = read(word(at + 8), &record[BEFORE..]);
        records.push(
            record.ok_or_else(|| format!("has a record at byte {at} that this program does not know"))?,
        );
        at = end;
    }
    Ok((records, at))
}

fn read(kind: u32, payload: &[u8]) -> Option<Record> {
    let ids = |bytes: &[u8]| -> Option<Vec<i64>> {
        bytes.len().is_multiple_of(8).then(|| bytemuck::pod_collect_to_vec(bytes))
    };
    let with_vectors = || -> Option<(Vec<i64>, Vec<u8>)> {
        let (count, rest) = payload.split_at_checked(8)?;
        let count = usize::try_from(u64::from_le_bytes(count.try_into().ok()?)).ok()?;
        let (own, vectors) = rest.split_at_checked(count.checked_mul(8)?)?;
        Some((ids(own)?, vectors.to_vec()))
    };
    Some(match kind {
        1 => with_vectors().map(|(ids, vectors)| Record::Change(Change::Add(ids, vectors)))?,
        2 => Record::Change(Change::Remove(ids(payload)?)),
        3 => with_vectors().map(|(ids, vectors)| Record::Change(Change::Update(ids, vectors)))?,
        4 => Record::Seal(payload.try_into().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gives_back_what_it_took_wherever_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("index");
        let changes = [
            Change::Add(vec![1, 2], [0.5f32, 1.5, 2.5, 3.5].map(f32::to_le_bytes).concat()),
            Change::Remove(vec![2]),
            Change::Update(vec![1], vec![9, 8]),
        ];
        let (mut log, none) = Log::open(&index, || Ok([7; 32])).unwrap();
        assert!(none.is_empty());
        let mut ends = vec![log.bytes()];
        for change in &changes {
            log.append(change).unwrap();
            ends.push(log.bytes());
        }
        let second = Log::open(&index, || Ok([7; 32])).map(drop).unwrap_err().to_string();
        assert!(second.contains("in use"), "{second}");
        drop(log);
        let path = folder.path().join("index.log");
        let whole = std::fs::read(&path).unwrap();
        for cut in (0..=whole.len()).rev().step_by(5) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (log, found) = Log::open(&index, || Ok([7; 32])).unwrap();
            let expected = ends.iter().filter(|&&end| end <= cut as u64).count().saturating_sub(1);
            assert_eq!(found, changes[..expected], "cut at {cut}");
            assert_eq!(log.bytes(), ends[expected]);
        }
        // Zeros at the end are bytes that never arrived; whatever else does not fit is damage, but for the last record, which may be half there.
        std::fs::write(&path, [&whole[..], &[0; 100]].concat()).unwrap();
        assert_eq!(Log::open(&index, || Ok([7; 32])).unwrap().1, changes);
        for at in (0..ends[2] as usize).step_by(7) {
            let mut bad = whole.clone();
            bad[at] ^= 0x11;
            std::fs::write(&path, &bad).unwrap();
            assert!(Log::open(&index, || Ok([7; 32])).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_log_follows_its_index_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("index");
        let (mut log, _) = Log::open(&index, || Ok([1; 32])).unwrap();
        log.append(&Change::Remove(vec![3])).unwrap();
        drop(log);
        let error = Log::open(&index, || Ok([2; 32])).map(drop).unwrap_err().to_string();
        assert!(error.contains("another index file"), "{error}");
        let (mut log, found) = Log::open(&index, || Ok([1; 32])).unwrap();
        assert_eq!(found.len(), 1);
        // Killed before the new file is there: the log goes on. Killed after: it is empty.
        log.seal(&[2; 32]).unwrap();
        drop(log);
        assert_eq!(Log::open(&index, || Ok([1; 32])).unwrap().1.len(), 1);
        assert!(Log::open(&index, || Ok([2; 32])).unwrap().1.is_empty());
        assert!(Log::open(&index, || Ok([2; 32])).unwrap().1.is_empty());
    }
}
