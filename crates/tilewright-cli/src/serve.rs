//! `tilewright serve`: a model, or some of its blocks, for others.

use std::net::{IpAddr, ToSocketAddrs};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tilewright_core::{DType, Device};
use tilewright_lm::{Config, Part, Tokenizer};
use tilewright_wire::service::{Capacity, Dial, Node, Security, Served, Serving};

use crate::stop::Stop;
use crate::{Console, select};

/// Serve a model, or some of its blocks, by gRPC: exo's node service, and streams for `lm generate --nodes`.
///
/// Prints the address once it listens, and runs until it is interrupted; what runs then is finished.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder with config.json and the weights.
    #[arg(long)]
    model: PathBuf,
    /// Where to run, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// What to compute in: f32, bf16, f16, f64 [default: the files' own].
    #[arg(long)]
    dtype: Option<DType>,
    /// The blocks that this node holds, such as 0..16: the last is not among them [default: all].
    #[arg(long, value_name = "FIRST..END", value_parser = range)]
    blocks: Option<Range<usize>>,
    /// What the first node reads prompts by [default: tokenizer.json in the model's folder; bytes, where the model is of bytes; else prompts are refused].
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:5001")]
    listen: String,
    /// What requests call the model [default: the folder's name].
    #[arg(long)]
    model_id: Option<String>,
    /// The node's name in topologies [default: the address that it listens at].
    #[arg(long)]
    id: Option<String>,
    /// Nodes that it tells of when it is asked for the topology.
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',')]
    peers: Vec<String>,
    #[command(flatten)]
    reach: Reach,
    /// The node's certificate, as PEM: with it and its key, TLS is used.
    #[arg(long, requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key, as PEM.
    #[arg(long, requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Calls that may wait for the model; more are refused.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    queue: u16,
    /// Seconds that a call may take, waiting included.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    deadline: u32,
    /// Bytes of a tensor that is received at most.
    #[arg(long, default_value_t = 256 << 20)]
    message_bytes: usize,
}

/// How other nodes are reached.
#[derive(Args)]
pub(crate) struct Reach {
    /// A file whose first line is the secret between callers and nodes. Without TLS, everyone on the way can read it.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The certificate that signed those of the nodes, as PEM: with it, nodes are reached by TLS.
    #[arg(long, value_name = "FILE")]
    tls_authority: Option<PathBuf>,
    /// The name in the nodes' certificates [default: that of the address].
    #[arg(long, requires = "tls_authority")]
    tls_domain: Option<String>,
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Stop> {
    std::fs::read(path).map_err(|why| Stop::Usage(format!("{option} {}: {why}", path.display())))
}

impl Reach {
    fn secret(&self) -> Result<Option<String>, Stop> {
        let Some(path) = &self.secret_file else { return Ok(None) };
        let text = String::from_utf8_lossy(&read("--secret-file", path)?).into_owned();
        let secret = text.lines().next().unwrap_or_default().trim().to_owned();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "its first line is to be the secret, of letters, digits and signs of ASCII";
            return Err(Stop::Usage(format!("--secret-file {}: {why}", path.display())));
        }
        Ok(Some(secret))
    }

    pub(crate) fn dial(&self) -> Result<Dial, Stop> {
        let authority = self.tls_authority.as_ref().map(|path| read("--tls-authority", path)).transpose()?;
        Ok(Dial { secret: self.secret()?, authority, domain: self.tls_domain.clone(), ..Dial::default() })
    }
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let ends = text.split_once("..").and_then(|(first, end)| Some((first.parse().ok()?, end.parse().ok()?)));
    ends.map(|(first, end)| first..end).ok_or_else(|| "expected two numbers such as 0..16".to_owned())
}

#[derive(Serialize)]
struct Document {
    address: String,
    model_id: String,
    first_block: usize,
    end_block: usize,
    device: String,
    dtype: &'static str,
}

pub(crate) fn serve(options: &Options, console: &mut Console) -> Result<(), Stop> {
    let identity = match (&options.tls_certificate, &options.tls_key) {
        (Some(certificate), Some(key)) => {
            Some((read("--tls-certificate", certificate)?, read("--tls-key", key)?))
        }
        _ => None,
    };
    let security = Security { secret: options.reach.secret()?, identity };
    if security.secret.is_none() && !is_of_this_machine(&options.listen) {
        eprintln!("warning: whoever reaches {} can use this node: there is no --secret-file", options.listen);
    }
    let dial = options.reach.dial()?;
    let stream = select::stream(options.device)?;
    let blocks = match &options.blocks {
        Some(blocks) => blocks.clone(),
        None => 0..Config::read(options.model.join("config.json"))?.num_hidden_layers,
    };
    if options.tokenizer.is_some() && blocks.start > 0 {
        return Err(Stop::Usage("--tokenizer: only the node with block 0 reads prompts".into()));
    }
    let tokenizer = match &options.tokenizer {
        Some(path) => Some(Tokenizer::read(path)?),
        None if blocks.start > 0 => None,
        None => {
            let config = Config::read(options.model.join("config.json"))?;
            Tokenizer::found(options.model.join("tokenizer.json"), &config)?
        }
    };
    let part = Part::load(&options.model, &stream, options.dtype, blocks.clone())?;
    let folder = options.model.canonicalize().ok();
    let folder = folder.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let model_id = options.model_id.clone().or(folder).unwrap_or_else(|| "model".to_owned());
    let capacity = Capacity {
        queue: usize::from(options.queue),
        message_bytes: options.message_bytes,
        ..Capacity::default()
    };
    let (device, dtype) = (stream.device().to_string(), part.dtype().name());
    let serving = Serving {
        id: options.id.clone(),
        peers: options.peers.clone(),
        dial,
        security,
        deadline: Duration::from_secs(u64::from(options.deadline)),
        ..Serving::default()
    };
    let mut node = Node::new(part, model_id.clone(), capacity);
    if let Some(tokenizer) = tokenizer {
        node = node.with_tokenizer(tokenizer);
    }
    let served = Served::start(node, &options.listen, &serving)?;
    let address = served.address().to_string();
    let (first_block, end_block) = (blocks.start, blocks.end);
    let document = Document { address, model_id, first_block, end_block, device, dtype };
    if console.json {
        console.json(&document)?;
    } else {
        let Document { address, model_id, first_block, end_block, device, dtype } = &document;
        writeln!(
            console.out,
            "listening on {address}: the blocks {first_block}..{end_block} of {model_id} in {dtype} on {device}"
        )?;
    }
    console.out.flush()?;
    served.wait_for_the_end()?;
    eprintln!("stopping");
    Ok(served.stop()?)
}

fn is_of_this_machine(address: &str) -> bool {
    let mut addresses = address.to_socket_addrs().into_iter().flatten().map(|address| address.ip());
    addresses.all(|address| match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    })
}
