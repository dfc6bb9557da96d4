//! The side that answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use tilewright_core::{Error, Result, Tensor};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::chunks::{Assembler, Chunk, aside, cut};
use super::client::{Dial, Peer};
use super::node::{Node, Past, Statistics, status};
use super::topology::{Neighbours, capabilities};
use super::{Description, Nothing, paths};
use crate::exo::node_service as exo;

const NAME: &str = "serve";
/// A request's name: longer ones would fill the memory of those that have gone.
const REQUEST_BYTES: usize = 256;
/// Bytes of a text for each token of a call: longer texts are not worth reading to find that they have too many.
const BYTES_PER_TOKEN: usize = 64;

/// Who may ask, and who may listen.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// What callers have to say, as `authorization: Bearer <secret>`.
    pub secret: Option<String>,
    /// The certificate and its key, as PEM: with them, TLS is used, and nothing else is understood.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// How a node is served.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Its name in topologies [default: the address that it listens at].
    pub id: Option<String>,
    /// Nodes that it tells of, `host:port`.
    pub peers: Vec<String>,
    /// How they are reached.
    pub dial: Dial,
    /// Who may ask.
    pub security: Security,
    /// How long a call may take, waiting included; callers may want less. Default 60 s.
    pub deadline: Duration,
    /// How long what runs may go on once the node stops. Default 10 s.
    pub grace: Duration,
}

impl Default for Serving {
    fn default() -> Self {
        Serving {
            id: None,
            peers: Vec::new(),
            dial: Dial::default(),
            security: Security::default(),
            deadline: Duration::from_secs(60),
            grace: Duration::from_secs(10),
        }
    }
}

/// A node that is served, by threads of its own. Dropping it stops it at once.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: Option<JoinHandle<Result<()>>>,
    shared: Arc<Shared>,
}

impl Served {
    /// Listens at `address`, `host:port`; port 0 takes a free one.
    ///
    /// # Errors
    /// An address that is taken or none; a certificate, a key or a peer that is none.
    pub fn start(node: Node, address: &str, serving: &Serving) -> Result<Self> {
        let failed = |why: &dyn std::fmt::Display| Error::file(NAME, address, why);
        let runtime = Runtime::new().map_err(|why| failed(&why))?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(|why| failed(&why))?;
        let local = listener.local_addr().map_err(|why| failed(&why))?;
        let mut server = Server::builder()
            .timeout(serving.deadline)
            .max_concurrent_streams(1024)
            .http2_keepalive_interval(Some(Duration::from_secs(15)))
            .http2_keepalive_timeout(Some(Duration::from_secs(15)))
            .http2_max_header_list_size(16 << 10);
        if let Some((certificate, key)) = &serving.security.identity {
            let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
            server = server.tls_config(tls).map_err(|why| Error::file(NAME, "certificate", why))?;
        }
        let (stop, stopping) = watch::channel(false);
        let peers = {
            // A channel belongs to the runtime in which it is made.
            let _in = runtime.enter();
            serving.peers.iter().map(|peer| Peer::new(peer, &serving.dial)).collect::<Result<_>>()?
        };
        let id = serving.id.clone().unwrap_or_else(|| local.to_string());
        let device = capabilities(node.model_id.clone());
        let shared = Arc::new(Shared {
            node,
            neighbours: Neighbours { id, peers, device },
            secret: serving.security.secret.clone(),
            deadline: serving.deadline,
            stopping: stopping.clone(),
        });
        let service = Service(Arc::clone(&shared));
        let grace = serving.grace;
        let ended = std::thread::spawn(move || {
            let stopped = |mut stopping: watch::Receiver<bool>| async move {
                // A sender that was dropped says the same.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            let result = runtime.block_on(async {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                let serve = server.serve_with_incoming_shutdown(service, incoming, stopped(stopping.clone()));
                let limit = async {
                    stopped(stopping.clone()).await;
                    tokio::time::sleep(grace).await;
                };
                tokio::select! {
                    result = serve => result.map_err(|why| Error::file(NAME, local.to_string(), why)),
                    () = limit => Ok(()),
                }
            });
            // Connections that are still open do not hold the program.
            runtime.shutdown_background();
            result
        });
        Ok(Served { address: local, stop, ended: Some(ended), shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is doing.
    pub fn statistics(&self) -> Statistics {
        self.shared.node.statistics()
    }

    /// Refuses what is new, lets what runs finish for the time of grace, and ends.
    ///
    /// # Errors
    /// A server that has failed.
    pub fn stop(mut self) -> Result<()> {
        let _ = self.stop.send(true);
        let ended = self.ended.take().map(JoinHandle::join);
        ended.map_or(Ok(()), |ended| {
            ended.unwrap_or_else(|_| Err(Error::file(NAME, "server", "it has panicked")))
        })
    }

    /// Waits until the program is told to end (an interrupt, or a request to terminate).
    ///
    /// # Errors
    /// Signals that cannot be had.
    pub fn wait_for_the_end(&self) -> Result<()> {
        let failed = |why: std::io::Error| Error::file(NAME, "signals", why);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        runtime
            .block_on(async {
                #[cfg(unix)]
                {
                    use tokio::signal::unix::{SignalKind, signal};
                    let mut terminate = signal(SignalKind::terminate())?;
                    tokio::select! {
                        result = tokio::signal::ctrl_c() => result,
                        _ = terminate.recv() => Ok(()),
                    }
                }
                #[cfg(not(unix))]
                tokio::signal::ctrl_c().await
            })
            .map_err(failed)
    }
}

struct Shared {
    node: Node,
    neighbours: Neighbours,
    secret: Option<String>,
    deadline: Duration,
    stopping: watch::Receiver<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// All services of the port.
#[derive(Clone)]
struct Service(Arc<Shared>);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tower_service::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<std::result::Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { Ok(route(shared, request).await) })
    }
}

/// A function as a method with one message each way.
struct Unary<F>(F);

impl<F, R, A, B> UnaryService<A> for Unary<F>
where
    F: FnMut(A) -> R,
    R: Future<Output = std::result::Result<B, Status>> + Send + 'static,
{
    type Response = B;
    type Future = Boxed<std::result::Result<Response<B>, Status>>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

struct Forward(Arc<Shared>);

impl StreamingService<Chunk> for Forward {
    type Response = Chunk;
    type ResponseStream = ReceiverStream<std::result::Result<Chunk, Status>>;
    type Future = Boxed<std::result::Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Chunk>>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.forward(request.into_inner()).map(Response::new) })
    }
}

async fn route(shared: Arc<Shared>, request: http::Request<Body>) -> http::Response<Body> {
    if !shared.admits(request.headers()) {
        return Status::unauthenticated("the secret is missing, or another").into_http();
    }
    let path = request.uri().path().to_owned();
    let stopping = *shared.stopping.borrow();
    if stopping && path != "/node_service.NodeService/HealthCheck" {
        return Status::unavailable("the node stops").into_http();
    }
    match path.as_str() {
        "/node_service.NodeService/SendPrompt" => {
            unary(shared, request, |node, message| async move { node.send_prompt(message).await }).await
        }
        "/node_service.NodeService/SendTensor" => {
            unary(shared, request, |node, message| async move { node.send_tensor(message).await }).await
        }
        "/node_service.NodeService/SendExample" => {
            let method = |_, _: exo::ExampleRequest| async {
                Err::<exo::Loss, _>(Status::unimplemented("nodes do not train"))
            };
            unary(shared, request, method).await
        }
        paths::TOPOLOGY => {
            unary(shared, request, |node, message| async move { Ok(node.neighbours.collect(message).await) })
                .await
        }
        "/node_service.NodeService/SendResult" => {
            let method = |node: Arc<Shared>, message: exo::SendResultRequest| async move {
                if message.is_finished {
                    node.node.finish(&message.request_id);
                }
                Ok(exo::Empty {})
            };
            unary(shared, request, method).await
        }
        // News for programs that show them; a node has nothing to do with them.
        "/node_service.NodeService/SendOpaqueStatus" => {
            let method = |_, _: exo::SendOpaqueStatusRequest| async { Ok(exo::Empty {}) };
            unary(shared, request, method).await
        }
        "/node_service.NodeService/HealthCheck" => {
            let is_healthy = !stopping;
            let method = move |_, _: exo::HealthCheckRequest| async move {
                Ok(exo::HealthCheckResponse { is_healthy })
            };
            unary(shared, request, method).await
        }
        paths::DESCRIBE => unary(shared, request, |node, _: Nothing| async move { node.describe() }).await,
        paths::FORWARD => Grpc::new(ProstCodec::default()).streaming(Forward(shared), request).await,
        _ => Status::unimplemented("there is no such method").into_http(),
    }
}

/// Answers with what `method` makes of the message.
async fn unary<A, B, R>(
    shared: Arc<Shared>,
    request: http::Request<Body>,
    method: impl Fn(Arc<Shared>, A) -> R,
) -> http::Response<Body>
where
    A: prost::Message + Default + 'static,
    B: prost::Message + 'static,
    R: Future<Output = std::result::Result<B, Status>> + Send + 'static,
{
    let limit = shared.node.capacity.message_bytes;
    let method = Unary(|message| method(Arc::clone(&shared), message));
    Grpc::new(ProstCodec::default()).max_decoding_message_size(limit).unary(method, request).await
}

impl Shared {
    fn admits(&self, headers: &http::HeaderMap) -> bool {
        let Some(secret) = &self.secret else { return true };
        let given = headers.get("authorization").map(http::HeaderValue::as_bytes);
        let given = given.and_then(|given| given.strip_prefix(b"Bearer ")).unwrap_or_default();
        // In a time that does not tell how much of it was right.
        let differences = given.iter().zip(secret.as_bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == secret.len() && differences == 0
    }

    fn describe(&self) -> std::result::Result<Description, Status> {
        let (part, range) = (&self.node.part, self.node.part.range());
        let config_json =
            serde_json::to_string(part.config()).map_err(|why| Status::internal(why.to_string()))?;
        Ok(Description {
            model_id: self.node.model_id.clone(),
            first_block: range.start as u64,
            end_block: range.end as u64,
            config_json,
            dtype: part.dtype().name().to_owned(),
        })
    }

    /// A shard has to be what this node holds: another answer would be one to another question.
    fn check(&self, shard: Option<&exo::Shard>) -> std::result::Result<(), Status> {
        let shard = shard.ok_or_else(|| Status::invalid_argument("shard: missing"))?;
        let (range, blocks) = (self.node.part.range(), self.node.part.config().num_hidden_layers);
        let own = (range.start as i64, range.end as i64 - 1, blocks as i64);
        let asked = (i64::from(shard.start_layer), i64::from(shard.end_layer), i64::from(shard.n_layers));
        if own == asked && shard.model_id == self.node.model_id {
            return Ok(());
        }
        let why = format!(
            "shard: this node holds the layers {} to {} of {} of {:?}; {} to {} of {} were asked for",
            own.0, own.1, own.2, self.node.model_id, asked.0, asked.1, asked.2
        );
        Err(Status::invalid_argument(why))
    }

    fn past(
        request: Option<String>,
        state: Option<exo::InferenceState>,
    ) -> std::result::Result<Past, Status> {
        if state.is_some_and(|state| !state.tensor_data.is_empty() || !state.tensor_list_data.is_empty()) {
            return Err(Status::unimplemented("inference_state: the state of the texts stays with the node"));
        }
        match request {
            Some(request) if request.len() > REQUEST_BYTES => {
                Err(Status::invalid_argument(format!("request_id: more than {REQUEST_BYTES} bytes")))
            }
            Some(request) if !request.is_empty() => Ok(Past::Request(request)),
            _ => Ok(Past::Own(None)),
        }
    }

    async fn send_prompt(&self, message: exo::PromptRequest) -> std::result::Result<exo::Tensor, Status> {
        self.check(message.shard.as_ref())?;
        if !self.node.part.is_first() {
            return Err(Status::unimplemented("prompt: only the first node reads text; send tensors"));
        }
        let Some(tokenizer) = self.node.tokenizer.clone() else {
            let why =
                "prompt: this node was started without the model's tokenizer (tokenizer.json); send tokens";
            return Err(Status::unimplemented(why));
        };
        let (text, limit) = (message.prompt, self.node.capacity.tokens.saturating_mul(BYTES_PER_TOKEN));
        if text.len() > limit {
            return Err(Status::invalid_argument(format!(
                "prompt: {} bytes, of at most {limit}",
                text.len()
            )));
        }
        // Texts are read by no more threads than calls may wait.
        let place = self.node.place()?;
        let tokens = tokio::task::spawn_blocking(move || tokenizer.encode(&text)).await;
        let tokens = tokens.map_err(|_| Status::internal("the tokenizer failed; see the node's log"))?;
        let tokens: Vec<i64> = tokens.map_err(status)?.into_iter().map(i64::from).collect();
        let length = tokens.len();
        let x = Tensor::from_vec(tokens, [1, length]).map_err(status)?;
        self.call(x, Self::past(message.request_id, message.inference_state)?, place).await
    }

    async fn send_tensor(&self, message: exo::TensorRequest) -> std::result::Result<exo::Tensor, Status> {
        self.check(message.shard.as_ref())?;
        let tensor = message.tensor.ok_or_else(|| Status::invalid_argument("tensor: missing"))?;
        let x = tensor.to_tensor().map_err(status)?;
        self.call(x, Self::past(message.request_id, message.inference_state)?, self.node.place()?).await
    }

    async fn call(
        &self,
        x: Tensor,
        past: Past,
        place: OwnedSemaphorePermit,
    ) -> std::result::Result<exo::Tensor, Status> {
        let (y, _) = self.node.run(x, past, place).await?;
        aside(y, exo::Tensor::from_tensor).await.map_err(status)
    }

    fn forward(
        self: &Arc<Self>,
        chunks: Streaming<Chunk>,
    ) -> std::result::Result<ReceiverStream<std::result::Result<Chunk, Status>>, Status> {
        let place = Arc::clone(&self.node.streams).try_acquire_owned();
        let limit = self.node.capacity.streams;
        let place =
            place.map_err(|_| Status::resource_exhausted(format!("{limit} streams are open already")))?;
        let (send, answers) = mpsc::channel(4);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // With the stream its place and its state end.
            let _place = place;
            let ended = tokio::select! {
                ended = shared.steps(chunks, &send) => ended,
                () = send.closed() => return,
            };
            if let Err(status) = ended {
                let _ = timeout(shared.node.capacity.idle, send.send(Err(status))).await;
            }
        });
        Ok(ReceiverStream::new(answers))
    }

    /// The steps of a stream. What comes is put together, computed, and packed and sent, each beside the others: the sending of one step does not hold up the
    /// computing of the next. One step waits between two of them, and holds back what comes after it; what has come is answered, whatever ends the stream.
    async fn steps(
        &self,
        chunks: Streaming<Chunk>,
        send: &mpsc::Sender<std::result::Result<Chunk, Status>>,
    ) -> std::result::Result<(), Status> {
        let (to_compute, come) = mpsc::channel(1);
        let (to_answer, made) = mpsc::channel(1);
        let under_way = AtomicUsize::new(0);
        let (received, computed, answered) = tokio::join!(
            self.receive(chunks, to_compute, &under_way),
            self.compute(come, to_answer),
            self.answer(made, send, &under_way),
        );
        // Each ends without an error where the one after it has ended.
        answered.and(computed).and(received)
    }

    async fn receive(
        &self,
        mut chunks: Streaming<Chunk>,
        compute: mpsc::Sender<Tensor>,
        under_way: &AtomicUsize,
    ) -> std::result::Result<(), Status> {
        let idle = self.node.capacity.idle;
        let mut assembler = Assembler::new(self.node.capacity.message_bytes);
        let mut stopping = self.stopping.clone();
        loop {
            let between = assembler.is_empty();
            let chunk = tokio::select! {
                () = compute.closed() => return Ok(()),
                _ = stopping.wait_for(|stop| *stop), if between => return Err(Status::unavailable("the node stops")),
                chunk = timeout(idle, chunks.message()) => chunk,
            };
            let chunk = match chunk {
                Ok(chunk) => chunk?,
                // Who waits for an answer need not send.
                Err(_) if under_way.load(Ordering::Relaxed) > 0 => continue,
                Err(_) => return Err(Status::deadline_exceeded(format!("nothing came within {idle:?}"))),
            };
            let Some(chunk) = chunk else { return Ok(()) };
            let frame = assembler.push(&chunk.data).map_err(status)?;
            let Some(frame) = frame else { continue };
            let x = frame.tensor("x").map_err(status)?;
            under_way.fetch_add(1, Ordering::Relaxed);
            if compute.send(x).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn compute(
        &self,
        mut come: mpsc::Receiver<Tensor>,
        answer: mpsc::Sender<Tensor>,
    ) -> std::result::Result<(), Status> {
        let mut state = None;
        while let Some(x) = come.recv().await {
            let step = async {
                let place = self.node.wait_for_place().await?;
                self.node.run(x, Past::Own(state.take()), place).await
            };
            let step = timeout(self.deadline, step).await;
            let (y, after) = step.map_err(|_| {
                Status::deadline_exceeded(format!("not computed within {:?}", self.deadline))
            })??;
            state = after;
            if answer.send(y).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        mut made: mpsc::Receiver<Tensor>,
        send: &mpsc::Sender<std::result::Result<Chunk, Status>>,
        under_way: &AtomicUsize,
    ) -> std::result::Result<(), Status> {
        let idle = self.node.capacity.idle;
        while let Some(y) = made.recv().await {
            for chunk in aside(y, |y| cut("y", y)).await.map_err(status)? {
                let sent = timeout(idle, send.send(Ok(chunk))).await;
                let late = |_| Status::deadline_exceeded(format!("an answer was not taken within {idle:?}"));
                if sent.map_err(late)?.is_err() {
                    return Ok(());
                }
            }
            under_way.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
