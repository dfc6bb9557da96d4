//! The side that asks: one node, or the nodes that hold a model together.

use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use http::uri::PathAndQuery;
use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_lm::{Config, Generation, Sampler, generate_by};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::chunks::{Assembler, Chunk, aside, cut};
use super::{Description, Nothing, paths};

const NAME: &str = "nodes";

/// How nodes are reached.
#[derive(Debug, Clone)]
pub struct Dial {
    /// What they want to hear. Without TLS everyone on the way reads it too.
    pub secret: Option<String>,
    /// The certificate that signed theirs, as PEM; with it, TLS is used.
    pub authority: Option<Vec<u8>>,
    /// The name in their certificates, where it is not that of the address.
    pub domain: Option<String>,
    /// How long to wait for a connection. Default 5 s.
    pub connect: Duration,
    /// How long to wait for a node's answer. Default 60 s.
    pub answer: Duration,
    /// Bytes of a tensor that is received. Default 256 MiB.
    pub message_bytes: usize,
    /// Pieces of a prompt that are under way at a time: while a node computes one, those before it compute the next, and others are packed and sent.
    /// 1 sends a piece when all nodes have done with the one before. Default 0, which is two for each node.
    pub ahead: usize,
}

impl Default for Dial {
    fn default() -> Self {
        Dial {
            secret: None,
            authority: None,
            domain: None,
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            message_bytes: 256 << 20,
            ahead: 0,
        }
    }
}

fn failed(address: &str, why: impl std::fmt::Display) -> Error {
    Error::file(NAME, Path::new(address), why)
}

fn told(address: &str, status: &Status) -> Error {
    let why = if status.message().is_empty() { status.code().description() } else { status.message() };
    failed(address, format!("{:?}: {why}", status.code()))
}

/// A connection to one node.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: String,
    grpc: Grpc<Channel>,
    dial: Dial,
}

impl Peer {
    /// Connects at the first call, and again whenever the connection was lost. `address` is `host:port`.
    pub(super) fn new(address: &str, dial: &Dial) -> Result<Self> {
        let scheme = if dial.authority.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"));
        let endpoint =
            endpoint.map_err(|why| failed(address, format!("no address such as 127.0.0.1:5001: {why}")))?;
        let mut endpoint = endpoint
            .connect_timeout(dial.connect)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10));
        if let Some(authority) = &dial.authority {
            let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
            if let Some(domain) = &dial.domain {
                tls = tls.domain_name(domain);
            }
            endpoint = endpoint.tls_config(tls).map_err(|why| failed(address, format!("TLS: {why}")))?;
        }
        let grpc = Grpc::new(endpoint.connect_lazy()).max_decoding_message_size(dial.message_bytes);
        Ok(Peer { address: address.to_owned(), grpc, dial: dial.clone() })
    }

    fn request<T>(&self, message: T) -> std::result::Result<Request<T>, Status> {
        let mut request = Request::new(message);
        if let Some(secret) = &self.dial.secret {
            let value = format!("Bearer {secret}").parse();
            let value =
                value.map_err(|_| Status::unauthenticated("the secret has letters that a header cannot"))?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }

    /// A call with one message each way; the node is told the deadline.
    pub(super) async fn unary<A, B>(
        &self,
        path: &'static str,
        message: A,
        within: Duration,
    ) -> std::result::Result<B, Status>
    where
        A: prost::Message + 'static,
        B: prost::Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        let mut request = self.request(message)?;
        request.set_timeout(within);
        let call = async {
            grpc.ready().await.map_err(|why| Status::unavailable(reasons(&why)))?;
            let codec = ProstCodec::<A, B>::default();
            Ok(grpc.unary(request, PathAndQuery::from_static(path), codec).await?.into_inner())
        };
        timeout(within, call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no answer in {within:?}"))))
    }

    async fn stream(&self) -> std::result::Result<Link, Status> {
        let (send, outgoing) = mpsc::channel(4);
        let mut grpc = self.grpc.clone();
        let request = self.request(ReceiverStream::new(outgoing))?;
        grpc.ready().await.map_err(|why| Status::unavailable(reasons(&why)))?;
        let codec = ProstCodec::<Chunk, Chunk>::default();
        let receive =
            grpc.streaming(request, PathAndQuery::from_static(paths::FORWARD), codec).await?.into_inner();
        Ok(Link { send, receive, assembler: Assembler::new(self.dial.message_bytes) })
    }
}

/// An error and what caused it: the transport's own texts say "transport error" and no more.
fn reasons(why: &dyn std::error::Error) -> String {
    let (mut text, mut next) = (why.to_string(), why.source());
    while let Some(why) = next {
        text = format!("{text}: {why}");
        next = why.source();
    }
    text
}

/// A stream to a node, which holds the state of the texts meanwhile.
struct Link {
    send: mpsc::Sender<Chunk>,
    receive: Streaming<Chunk>,
    assembler: Assembler,
}

/// A part of what goes on at the same time.
type Task<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

impl Link {
    /// Sends on what comes, and gives on what the node makes of each, in order: one is sent while an answer to the one before is waited for.
    /// `sent` and `received` count the bytes of frames.
    fn pass<'a>(
        &'a mut self,
        address: &'a str,
        within: Duration,
        [sent, received]: &'a [AtomicU64; 2],
        (mut come, give): (mpsc::Receiver<Tensor>, mpsc::Sender<Tensor>),
    ) -> [Task<'a>; 2] {
        let Link { send, receive, assembler } = self;
        let (begun, mut expected) = mpsc::channel(1);
        let feed = async move {
            while let Some(x) = come.recv().await {
                // From now on an answer is waited for. Who waits no longer says why.
                if begun.send(()).await.is_err() {
                    break;
                }
                let chunks = aside(x, |x| cut("x", x)).await.map_err(|why| failed(address, why))?;
                for chunk in chunks {
                    sent.fetch_add(chunk.data.len() as u64, Ordering::Relaxed);
                    if send.send(chunk).await.is_err() {
                        // Why the stream has ended is on the other half of it.
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        let fetch = async move {
            while expected.recv().await.is_some() {
                let y = timeout(within, fetched(receive, assembler, received)).await;
                let y =
                    y.unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no answer in {within:?}"))));
                if give.send(y.map_err(|status| told(address, &status))?).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        [Box::pin(feed), Box::pin(fetch)]
    }
}

/// The node's next answer.
async fn fetched(
    receive: &mut Streaming<Chunk>,
    assembler: &mut Assembler,
    received: &AtomicU64,
) -> std::result::Result<Tensor, Status> {
    while let Some(chunk) = receive.message().await? {
        received.fetch_add(chunk.data.len() as u64, Ordering::Relaxed);
        let frame = assembler.push(&chunk.data).map_err(|why| Status::data_loss(why.to_string()))?;
        if let Some(frame) = frame {
            return frame.tensor("y").map_err(|why| Status::data_loss(why.to_string()));
        }
    }
    Err(Status::unavailable("the node has ended the stream"))
}

/// The nodes that hold a model together, from the first block to the last. Their parts are run one after another; between them the residual
/// stream passes through here.
///
/// The calls block; from within an asynchronous runtime they are made on a thread of their own.
pub struct Nodes {
    // Dropped after the connections that live in it.
    peers: Vec<Peer>,
    config: Config,
    dtype: DType,
    dial: Dial,
    /// Bytes of frames that were sent and received.
    traffic: [AtomicU64; 2],
    runtime: Runtime,
}

/// Bytes of frames between the caller and its nodes, without what gRPC and the network add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// To the nodes.
    pub sent: u64,
    /// From them.
    pub received: u64,
}

impl Nodes {
    /// Asks the nodes at these addresses (`host:port`, in any order) what they hold.
    ///
    /// # Errors
    /// A node that cannot be reached or refuses; nodes of different models or dtypes; blocks that are missing, or there twice.
    pub fn connect(addresses: &[impl AsRef<str>], dial: &Dial) -> Result<Self> {
        let runtime = Runtime::new().map_err(|why| failed("runtime", why))?;
        let mut parts = Vec::new();
        for address in addresses {
            let address = address.as_ref();
            let (peer, described) = runtime.block_on(async {
                let peer = Peer::new(address, dial)?;
                let described: Description = peer
                    .unary(paths::DESCRIBE, Nothing {}, dial.connect + dial.answer)
                    .await
                    .map_err(|status| told(address, &status))?;
                Ok::<_, Error>((peer, described))
            })?;
            parts.push((described, peer));
        }
        parts.sort_by_key(|(described, _)| described.first_block);
        let Some((first, peer)) = parts.first() else {
            return Err(Error::range(NAME, "addresses", "at least one", 0));
        };
        let config: Config = serde_json::from_str(&first.config_json)
            .map_err(|why| failed(&peer.address, format!("its config: {why}")))?;
        config.check()?;
        let mut next = 0;
        for (described, peer) in &parts {
            let Description { first_block, end_block, .. } = *described;
            if described.model_id != first.model_id
                || described.config_json != first.config_json
                || described.dtype != first.dtype
            {
                let why = format!(
                    "holds {:?} in {}, others {:?} in {}",
                    described.model_id, described.dtype, first.model_id, first.dtype
                );
                return Err(failed(&peer.address, why));
            }
            if first_block != next || end_block <= first_block {
                return Err(failed(
                    &peer.address,
                    format!("holds the blocks {first_block}..{end_block}, where {next} should come next"),
                ));
            }
            next = end_block;
        }
        if next != config.num_hidden_layers as u64 {
            let blocks = config.num_hidden_layers;
            return Err(Error::range(
                NAME,
                "addresses",
                format!("nodes for all {blocks} blocks"),
                format!("0..{next}"),
            ));
        }
        let dtype = first.dtype.parse().map_err(|why: Error| why.within(NAME))?;
        let peers = parts.into_iter().map(|(_, peer)| peer).collect();
        Ok(Nodes { peers, config, dtype, dial: dial.clone(), traffic: Default::default(), runtime })
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it is computed in.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// What all generations so far have sent and received.
    pub fn traffic(&self) -> Traffic {
        let [sent, received] = self.traffic.each_ref().map(|bytes| bytes.load(Ordering::Relaxed));
        Traffic { sent, received }
    }

    /// Writes each prompt on, as [`tilewright_lm::generate`] does on one machine, with the same tokens.
    ///
    /// # Errors
    /// Those of [`tilewright_lm::generate`]; a node that fails, is lost or does not answer in time: the error names it.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        options: &Generation,
        sampler: &mut dyn Sampler,
        stream: impl FnMut(usize, u32) -> bool,
    ) -> Result<Vec<Vec<u32>>> {
        let mut links = Vec::with_capacity(self.peers.len());
        for peer in &self.peers {
            let link = self
                .runtime
                .block_on(async { timeout(self.dial.connect + self.dial.answer, peer.stream()).await });
            let link = link.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")));
            links.push((link.map_err(|status| told(&peer.address, &status))?, &peer.address));
        }
        let here = Stream::cpu();
        // Prompts are cut here, since several of their pieces are under way at a time.
        let piece = options.prefill;
        let uncut = Generation { prefill: if piece == 0 { 0 } else { usize::MAX }, ..options.clone() };
        generate_by(&self.config, prompts, &uncut, (&here, sampler), stream, |rows| {
            let length = rows.first().map_or(0, |row| row.len());
            let pieces = (0..length).step_by(piece).map(|start| {
                let end = length.min(start.saturating_add(piece));
                let ids = rows.iter().flat_map(|row| row[start..end].iter().map(|&token| i64::from(token)));
                Tensor::from_vec(ids.collect(), [rows.len(), end - start])
            });
            let pieces = pieces.collect::<Result<Vec<_>>>()?;
            self.runtime.block_on(self.through(&mut links, pieces))
        })
    }

    /// What the nodes make of the last of these pieces of the texts. All go through every node, in order.
    async fn through(&self, links: &mut [(Link, &String)], pieces: Vec<Tensor>) -> Result<Tensor> {
        let (count, mut answers, mut last) = (pieces.len(), 0, None);
        let ahead = if self.dial.ahead == 0 { 2 * links.len() } else { self.dial.ahead };
        let window = &Semaphore::new(ahead);
        let (first, mut next) = mpsc::channel(1);
        let begin = async move {
            for piece in pieces {
                // Nobody closes the window.
                let Ok(place) = window.acquire().await else { break };
                place.forget();
                if first.send(piece).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let mut tasks: Vec<Task<'_>> = vec![Box::pin(begin)];
        for (link, address) in links {
            let (give, made) = mpsc::channel(1);
            let come = std::mem::replace(&mut next, made);
            tasks.extend(link.pass(address, self.dial.answer, &self.traffic, (come, give)));
        }
        tasks.push(Box::pin(async {
            while let Some(y) = next.recv().await {
                (answers, last) = (answers + 1, Some(y));
                window.add_permits(1);
            }
            Ok(())
        }));
        try_join_all(tasks).await?;
        let all = last.filter(|_| answers == count);
        all.ok_or_else(|| failed("nodes", format!("{answers} answers to {count} pieces")))
    }
}
