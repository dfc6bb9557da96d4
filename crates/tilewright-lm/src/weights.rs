//! The weights: their names, their shapes, their files.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use tilewright_core::{DType, Error, Result, Shape, Tensor, read_safetensors, write_safetensors};

use crate::Config;

const NAME: &str = "weights";

/// Defines the fields of a set of weights, with the name of each in files, and the walks over them.
macro_rules! weights {
    ($(#[$docs:meta])* $Set:ident { $($(#[$doc:meta])* $field:ident: $name:literal,)* }) => {
        $(#[$docs])*
        #[derive(Debug, Clone)]
        pub struct $Set<T> {
            $($(#[$doc])* pub $field: T,)*
        }

        impl<T> $Set<T> {
            /// Makes each from its name.
            pub fn from_names(mut make: impl FnMut(&'static str) -> Result<T>) -> Result<Self> {
                Ok($Set { $($field: make($name)?,)* })
            }

            /// All, in a fixed order.
            pub fn all(&self) -> Vec<(&'static str, &T)> {
                vec![$(($name, &self.$field),)*]
            }

            /// All, in the same order, to change.
            pub fn all_mut(&mut self) -> Vec<(&'static str, &mut T)> {
                vec![$(($name, &mut self.$field),)*]
            }
        }
    };
}

weights!(
    /// What belongs to one block: a tensor each, or anything else there is one of for each tensor.
    BlockWeights {
        /// Norm before the mLSTM.
        norm_mlstm: "norm_mlstm.weight",
        /// Queries.
        q: "mlstm_layer.q.weight",
        /// Keys.
        k: "mlstm_layer.k.weight",
        /// Values.
        v: "mlstm_layer.v.weight",
        /// Output gate.
        o: "mlstm_layer.ogate_preact.weight",
        /// Input gate.
        i: "mlstm_layer.igate_preact.weight",
        /// Its bias.
        i_bias: "mlstm_layer.igate_preact.bias",
        /// Forget gate.
        f: "mlstm_layer.fgate_preact.weight",
        /// Its bias.
        f_bias: "mlstm_layer.fgate_preact.bias",
        /// Norm of each head.
        norm_heads: "mlstm_layer.multihead_norm.weight",
        /// Back into the stream.
        out: "mlstm_layer.out_proj.weight",
        /// Norm before the network.
        norm_ffn: "norm_ffn.weight",
        /// The network's gate.
        up_gate: "ffn.proj_up_gate.weight",
        /// What it lets through.
        up: "ffn.proj_up.weight",
        /// Back into the stream.
        down: "ffn.proj_down.weight",
    }
);

weights!(
    /// What belongs to one block with an sLSTM.
    SlstmWeights {
        /// Norm before the sLSTM.
        norm_slstm: "norm_slstm.weight",
        /// The filter over time before the input and the forget gate, `[d, w]`.
        conv: "slstm_layer.conv.weight",
        /// Its bias.
        conv_bias: "slstm_layer.conv.bias",
        /// Cell input, head by head: `[nh, d / nh, d / nh]`.
        z: "slstm_layer.zgate.weight",
        /// Input gate, of the filtered stream.
        i: "slstm_layer.igate.weight",
        /// Forget gate, of the filtered stream.
        f: "slstm_layer.fgate.weight",
        /// Output gate.
        o: "slstm_layer.ogate.weight",
        /// Biases of z, i, f and o: `[4, nh, d / nh]`.
        bias: "slstm_layer.bias",
        /// What the gates take from the head's outputs before: `[nh, 4, d / nh, d / nh]`.
        recurrent: "slstm_layer.recurrent.weight",
        /// Norm of each head.
        norm_heads: "slstm_layer.group_norm.weight",
        /// Norm before the network.
        norm_ffn: "norm_ffn.weight",
        /// The network's gate.
        up_gate: "ffn.proj_up_gate.weight",
        /// What it lets through.
        up: "ffn.proj_up.weight",
        /// Back into the stream.
        down: "ffn.proj_down.weight",
    }
);

/// What belongs to one block of either kind.
#[derive(Debug, Clone)]
pub enum Block<T> {
    /// With an mLSTM.
    Mlstm(BlockWeights<T>),
    /// With an sLSTM.
    Slstm(SlstmWeights<T>),
}

impl<T> Block<T> {
    /// All, in a fixed order.
    pub fn all(&self) -> Vec<(&'static str, &T)> {
        match self {
            Block::Mlstm(weights) => weights.all(),
            Block::Slstm(weights) => weights.all(),
        }
    }

    /// All, in the same order, to change.
    pub fn all_mut(&mut self) -> Vec<(&'static str, &mut T)> {
        match self {
            Block::Mlstm(weights) => weights.all_mut(),
            Block::Slstm(weights) => weights.all_mut(),
        }
    }
}

/// What belongs to a model.
#[derive(Debug, Clone)]
pub struct Weights<T> {
    /// A vector for each token.
    pub embeddings: T,
    /// The blocks.
    pub blocks: Vec<Block<T>>,
    /// Norm before the head.
    pub out_norm: T,
    /// Logits; `None` where the embeddings give them, with `tie_word_embeddings`.
    pub head: Option<T>,
}

const EMBEDDINGS: &str = "backbone.embeddings.weight";
const OUT_NORM: &str = "backbone.out_norm.weight";
const HEAD: &str = "lm_head.weight";

impl<T> Weights<T> {
    /// Makes each from its name in files and its shape.
    pub fn from_shapes(
        config: &Config,
        mut make: impl FnMut(String, Vec<usize>) -> Result<T>,
    ) -> Result<Self> {
        let (vocabulary, d) = (config.vocab_size, config.hidden_size);
        let embeddings = make(EMBEDDINGS.to_owned(), vec![vocabulary, d])?;
        let blocks = (0..config.num_hidden_layers).map(|block| {
            let one = |name| make(format!("backbone.blocks.{block}.{name}"), shape(config, name));
            match config.slstm_at.contains(&block) {
                false => BlockWeights::from_names(one).map(Block::Mlstm),
                true => SlstmWeights::from_names(one).map(Block::Slstm),
            }
        });
        let blocks = blocks.collect::<Result<_>>()?;
        let out_norm = make(OUT_NORM.to_owned(), vec![d])?;
        let own = !config.tie_word_embeddings;
        let head = own.then(|| make(HEAD.to_owned(), vec![vocabulary, d])).transpose()?;
        Ok(Weights { embeddings, blocks, out_norm, head })
    }

    /// All, by their names in files, in a fixed order.
    pub fn all(&self) -> Vec<(String, &T)> {
        let mut all = vec![(EMBEDDINGS.to_owned(), &self.embeddings)];
        for (block, weights) in self.blocks.iter().enumerate() {
            all.extend(
                weights.all().into_iter().map(|(name, one)| (format!("backbone.blocks.{block}.{name}"), one)),
            );
        }
        all.push((OUT_NORM.to_owned(), &self.out_norm));
        all.extend(self.head.as_ref().map(|head| (HEAD.to_owned(), head)));
        all
    }

    /// All, in the same order, to change.
    pub fn all_mut(&mut self) -> Vec<&mut T> {
        let mut all = vec![&mut self.embeddings];
        for weights in &mut self.blocks {
            all.extend(weights.all_mut().into_iter().map(|(_, one)| one));
        }
        all.push(&mut self.out_norm);
        all.extend(&mut self.head);
        all
    }

    /// What gives the logits.
    pub fn head(&self) -> &T {
        self.head.as_ref().unwrap_or(&self.embeddings)
    }

    /// The same set of something else, made one by one.
    pub fn map<U>(&self, config: &Config, mut make: impl FnMut(&T) -> Result<U>) -> Result<Weights<U>> {
        let mut all = self.all().into_iter();
        Weights::from_shapes(config, |_, _| make(all.next().expect("as many as there are names").1))
    }
}

fn shape(config: &Config, name: &str) -> Vec<usize> {
    let (d, qk, v, ffn, nh) =
        (config.hidden_size, config.qk_dim(), config.v_dim(), config.ffn_dim(), config.num_heads);
    match name.trim_end_matches(".weight") {
        "mlstm_layer.q" | "mlstm_layer.k" => vec![qk, d],
        "mlstm_layer.v" | "mlstm_layer.ogate_preact" => vec![v, d],
        "mlstm_layer.igate_preact" | "mlstm_layer.fgate_preact" => vec![nh, d],
        "mlstm_layer.igate_preact.bias" | "mlstm_layer.fgate_preact.bias" => vec![nh],
        "mlstm_layer.multihead_norm" => vec![v],
        "mlstm_layer.out_proj" => vec![d, v],
        "slstm_layer.conv" => vec![d, config.conv1d_kernel_size],
        "slstm_layer.zgate" | "slstm_layer.igate" | "slstm_layer.fgate" | "slstm_layer.ogate" => {
            vec![nh, d / nh, d / nh]
        }
        "slstm_layer.bias" => vec![4, nh, d / nh],
        "slstm_layer.recurrent" => vec![nh, 4, d / nh, d / nh],
        "ffn.proj_up_gate" | "ffn.proj_up" => vec![ffn, d],
        "ffn.proj_down" => vec![d, ffn],
        _ => vec![d],
    }
}

/// Random weights, as xLSTM-7B starts: small normal deviates, smaller where a block writes to the stream; gates without
/// weights, their biases -10 for the input, and 3 to 6 over the heads to forget; norms 1. An sLSTM's gates begin with biases of 0, and 3 to 6 over the
/// units of a head to forget, its filter with deviates that keep the size of what passes.
pub(crate) fn random(config: &Config, dtype: DType, seed: u64) -> Result<Weights<Tensor>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Weights::from_shapes(config, |name, shape| {
        Tensor::from_f64(&start(config, &name, &shape, &mut random), dtype, shape)
    })
}

/// What one of them starts with.
pub(crate) fn start(config: &Config, name: &str, shape: &[usize], random: &mut ChaCha8Rng) -> Vec<f64> {
    let count: usize = shape.iter().product();
    let (d, width) = (config.hidden_size as f64, config.hidden_size / config.num_heads);
    let deviation = match () {
        () if name.ends_with("conv.weight") => (config.conv1d_kernel_size as f64).sqrt().recip(),
        () if name.contains("slstm_layer") => (2.0 / (5.0 * width as f64)).sqrt(),
        () if name.ends_with("out_proj.weight") => 2.0 / config.num_hidden_layers as f64 / d.sqrt(),
        () if name.ends_with("proj_down.weight") => {
            2.0 / config.num_hidden_layers as f64 / (config.ffn_dim() as f64).sqrt()
        }
        () => (2.0 / (5.0 * d)).sqrt(),
    };
    match () {
        () if name.ends_with("igate_preact.bias") => vec![-10.0; count],
        () if name.ends_with("fgate_preact.bias") => {
            (0..count).map(|head| 3.0 + 3.0 * head as f64 / (count.max(2) - 1) as f64).collect()
        }
        () if name.contains("igate_preact") || name.contains("fgate_preact") => vec![0.0; count],
        () if name.ends_with("slstm_layer.bias") => {
            let share = |at: usize| (at % width) as f64 / (width.max(2) - 1) as f64;
            (0..count).map(|at| if at * 4 / count == 2 { 3.0 + 3.0 * share(at) } else { 0.0 }).collect()
        }
        () if name.ends_with("conv.bias") => vec![0.0; count],
        () if name.contains("norm") => vec![1.0; count],
        () => (0..count).map(|_| deviation * normal(random)).collect(),
    }
}

/// Box and Muller's deviate.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random::<f64>());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// What `model.safetensors.index.json` says.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The weights of a folder, on the host: of `model.safetensors`, or of the files that `model.safetensors.index.json` names.
pub(crate) fn load(config: &Config, folder: &Path) -> Result<Weights<Tensor>> {
    let index = folder.join("model.safetensors.index.json");
    let mut found = BTreeMap::new();
    if index.is_file() {
        let text = std::fs::read(&index).map_err(|why| Error::file(NAME, &index, why))?;
        let parsed: Index = serde_json::from_slice(&text).map_err(|why| Error::file(NAME, &index, why))?;
        let files: std::collections::BTreeSet<_> = parsed.weight_map.values().collect();
        for file in files {
            // An index that leads out of its folder is no index.
            if Path::new(file).components().count() != 1 || file.contains(['/', '\\']) || file == ".." {
                return Err(Error::file(
                    NAME,
                    &index,
                    format!("names the file {file:?}, which is not beside it"),
                ));
            }
            found.extend(read_safetensors(folder.join(file))?);
        }
    } else {
        found = read_safetensors(folder.join("model.safetensors"))?;
    }
    if config.weight_mode == "fused" {
        found = divided(config, found)?;
    }
    collected(config, found)
}

/// The weights among tensors by their names: all of them, nothing else.
pub(crate) fn collected(config: &Config, mut found: BTreeMap<String, Tensor>) -> Result<Weights<Tensor>> {
    // Some write a tied head all the same; the config says whose it is.
    if config.tie_word_embeddings {
        found.remove(HEAD);
    }
    let weights = Weights::from_shapes(config, |name, shape| {
        let missing = || Error::range(NAME, name.clone(), "a tensor of this name", "nothing");
        let tensor = found.remove(&name).ok_or_else(missing)?;
        if tensor.dims() != shape {
            return Err(Error::shape(NAME, name, Shape::new(&shape)?, tensor.shape()));
        }
        if ![DType::F64, DType::F32, DType::F16, DType::Bf16].contains(&tensor.dtype()) {
            return Err(Error::dtype(NAME, name, "f64, f32, f16, bf16", tensor.dtype()));
        }
        Ok(tensor)
    })?;
    match found.keys().next() {
        Some(name) => Err(Error::range(NAME, name.clone(), "a name that the config has", "an unknown one")),
        None => Ok(weights),
    }
}

/// Fused projections, taken apart.
fn divided(config: &Config, found: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let (qk, v, nh, ffn) = (config.qk_dim(), config.v_dim(), config.num_heads, config.ffn_dim());
    let fused: [(&str, &[(&str, usize)]); 4] = [
        (
            "mlstm_layer.qkv_opreact.weight",
            &[
                ("mlstm_layer.q.weight", qk),
                ("mlstm_layer.k.weight", qk),
                ("mlstm_layer.v.weight", v),
                ("mlstm_layer.ogate_preact.weight", v),
            ],
        ),
        (
            "mlstm_layer.ifgate_preact.weight",
            &[("mlstm_layer.igate_preact.weight", nh), ("mlstm_layer.fgate_preact.weight", nh)],
        ),
        (
            "mlstm_layer.ifgate_preact.bias",
            &[("mlstm_layer.igate_preact.bias", nh), ("mlstm_layer.fgate_preact.bias", nh)],
        ),
        ("ffn.proj_up_gate_z.weight", &[("ffn.proj_up_gate.weight", ffn), ("ffn.proj_up.weight", ffn)]),
    ];
    let mut all = BTreeMap::new();
    for (name, tensor) in found {
        let Some((whole, parts)) = fused.iter().find(|(whole, _)| name.ends_with(whole)) else {
            all.insert(name, tensor);
            continue;
        };
        let rows: usize = parts.iter().map(|(_, rows)| rows).sum();
        if tensor.dims().first() != Some(&rows) {
            return Err(Error::shape(NAME, name, format!("{rows} rows"), tensor.shape()));
        }
        let (mut first, before) = (0, &name[..name.len() - whole.len()]);
        for (part, rows) in *parts {
            all.insert(format!("{before}{part}"), tensor.slice(0, first..first + rows)?);
            first += rows;
        }
    }
    Ok(all)
}

/// Writes `model.safetensors`, or, where that would be larger than `largest` bytes, several files and their index. Each gets a temporary
/// name first and is renamed; the index changes last, so that a folder never names what is not there.
pub(crate) fn save(weights: &Weights<Tensor>, folder: &Path, largest: usize) -> Result<()> {
    let index = folder.join("model.safetensors.index.json");
    let mut shards: Vec<Vec<(String, &Tensor)>> = vec![Vec::new()];
    let (mut filled, mut total) = (0, 0);
    for (name, tensor) in weights.all() {
        if filled > 0 && filled + tensor.bytes() > largest {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += tensor.bytes();
        total += tensor.bytes();
        shards.last_mut().expect("there is one").push((name, tensor));
    }
    let write = |file: &str, shard: &[(String, &Tensor)]| {
        write_safetensors(folder.join(file), shard.iter().map(|(name, tensor)| (name.as_str(), *tensor)))
    };
    if let [whole] = &shards[..] {
        write("model.safetensors", whole)?;
        return match std::fs::remove_file(&index) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(Error::file(NAME, &index, why)),
            _ => Ok(()),
        };
    }
    let mut weight_map = BTreeMap::new();
    for (number, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", number + 1, shards.len());
        write(&file, shard)?;
        weight_map.extend(shard.iter().map(|(name, _)| (name.clone(), file.clone())));
    }
    let text = serde_json::json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
    let temporary = index.with_extension(format!("{}.part", std::process::id()));
    let written =
        std::fs::write(&temporary, text.to_string()).and_then(|()| std::fs::rename(&temporary, &index));
    written.map_err(|why| Error::file(NAME, &index, why))
}
