//! Checkpoints: one file with everything from which training goes on, written beside the old one and renamed over it. A kill at any
//! moment leaves the old one or the new one.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tilewright_core::{DType, Error, Result, Stream, Tensor, read_safetensors, write_safetensors};

use super::{Options, Trainer};
use crate::weights::collected;
use crate::{Config, Model};

const NAME: &str = "checkpoint";
/// The tensor of bytes that holds a [`Record`] as JSON.
const RECORD: &str = "record";
const LOSSES: &str = "losses";
const SETS: [&str; 3] = ["weights.", "first.", "second."];

#[derive(Serialize, Deserialize)]
struct Record {
    config: Config,
    options: Options,
    step: u64,
    /// Of the text, so that another is not taken for it.
    tokens: usize,
    fingerprint: u64,
}

/// FNV-1a over the tokens.
fn fingerprint(text: &[u32]) -> u64 {
    let bytes = text.iter().flat_map(|token| token.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Trainer {
    /// Writes everything from which training goes on into one file.
    ///
    /// # Errors
    /// A file that cannot be written; an error of the device.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let record = Record {
            config: self.model.config().clone(),
            options: self.options,
            step: self.step,
            tokens: self.text.len(),
            fingerprint: fingerprint(&self.text),
        };
        let record = serde_json::to_vec(&record).map_err(|why| Error::file(NAME, path, why))?;
        let record = Tensor::from_slice(&record, [record.len()])?;
        let losses = Tensor::from_slice(&self.losses, [self.losses.len()])?;
        let weights = self.master.as_ref().unwrap_or(&self.model.weights);
        let mut all = vec![(RECORD.to_owned(), &record), (LOSSES.to_owned(), &losses)];
        for (set, weights) in SETS.iter().zip([weights, &self.first, &self.second]) {
            all.extend(weights.all().into_iter().map(|(name, tensor)| (format!("{set}{name}"), tensor)));
        }
        write_safetensors(path, all.iter().map(|(name, tensor)| (name.as_str(), *tensor)))
    }

    /// Goes on from a checkpoint, with the text that it was made on. On the CPU every later loss has the bits that it would have had
    /// without the stop.
    ///
    /// # Errors
    /// A file that is missing, damaged or no checkpoint; another text.
    pub fn resume(path: impl AsRef<Path>, stream: &Stream, text: Vec<u32>) -> Result<Self> {
        let path = path.as_ref();
        let wrong = |why: String| Error::file(NAME, path, why);
        let mut found = read_safetensors(path)?;
        let mut take = |name: &str, dtype: DType| {
            let tensor =
                found.remove(name).ok_or_else(|| wrong(format!("no checkpoint: it has no tensor {name}")))?;
            if tensor.dtype() != dtype {
                return Err(wrong(format!("its tensor {name} has the dtype {}", tensor.dtype())));
            }
            Ok(tensor)
        };
        let (record, losses) = (take(RECORD, DType::U8)?, take(LOSSES, DType::F64)?);
        let record: Record = serde_json::from_slice(&record.to_vec::<u8>()?)
            .map_err(|why| wrong(format!("its record: {why}")))?;
        record.config.check()?;
        if (record.tokens, record.fingerprint) != (text.len(), fingerprint(&text)) {
            return Err(wrong(format!("was made on another text, of {} tokens", record.tokens)));
        }
        let losses = losses.to_vec::<f64>()?;
        if losses.len() as u64 != record.step {
            return Err(wrong(format!("has {} losses of {} steps", losses.len(), record.step)));
        }
        let mut sets = SETS.map(|_| BTreeMap::new());
        for (name, tensor) in found {
            let set = SETS.iter().position(|set| name.starts_with(set));
            let set = set.ok_or_else(|| wrong(format!("has an unknown tensor {name}")))?;
            sets[set].insert(name[SETS[set].len()..].to_owned(), tensor);
        }
        let [weights, first, second] = sets.map(|set| collected(&record.config, set));
        // Each set in memory of its own, on the device: they are written in place.
        let own = |weights| Model::from_weights(record.config.clone(), stream, &weights, None);
        let (model, first, second) = (own(weights?)?, own(first?)?.weights, own(second?)?.weights);
        Self::assembled(model, text, record.options, record.step, [first, second], losses)
    }
}
