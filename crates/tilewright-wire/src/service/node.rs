//! What a node computes: one thread that runs the part of the model, a bounded queue before it, and the states of requests.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tilewright_core::{Device, Error, Kind, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};
use tilewright_lm::{Part, State, Tokenizer, bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tonic::Status;

/// What a node takes on at most.
#[derive(Debug, Clone)]
pub struct Capacity {
    /// Calls that wait for the model, the one that runs included. Default 64.
    pub queue: usize,
    /// Streams at a time. Default 256.
    pub streams: usize,
    /// Requests of exo's kind whose state is kept between calls. Default 256.
    pub requests: usize,
    /// How long a state is kept, or a stream stays open, without a call. Default two minutes.
    pub idle: Duration,
    /// Tokens of one call, over all its texts. Default 16,384.
    pub tokens: usize,
    /// Bytes of a tensor that is received. Default 256 MiB, which is exo's limit.
    pub message_bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity {
            queue: 64,
            streams: 256,
            requests: 256,
            idle: Duration::from_secs(120),
            tokens: 16_384,
            message_bytes: 256 << 20,
        }
    }
}

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Calls that wait or run.
    pub queued: usize,
    /// Streams that are open.
    pub streams: usize,
    /// States that are kept for requests of exo's kind.
    pub requests: usize,
    /// Calls whose result was computed.
    pub computed: u64,
    /// Calls that were dropped before they ran, because their clients had gone.
    pub skipped: u64,
}

type Job = Box<dyn FnOnce(&Part) + Send>;

/// A part of a model, to be served.
pub struct Node {
    pub(super) part: Arc<Part>,
    pub(super) model_id: String,
    /// What reads texts, where this node can.
    pub(super) tokenizer: Option<Arc<Tokenizer>>,
    pub(super) capacity: Capacity,
    jobs: mpsc::Sender<Job>,
    queue: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Requests>,
    /// Where results leave a GPU.
    sending: OnceLock<Stream>,
    computed: AtomicU64,
    skipped: AtomicU64,
    queued: AtomicUsize,
}

/// The states between calls, by request.
#[derive(Default)]
struct Requests {
    states: HashMap<String, (State, Instant)>,
    /// Those whose state has gone: to go on without it would give wrong numbers.
    gone: HashSet<String>,
    order: VecDeque<String>,
}

/// Names of requests whose state has gone are remembered for so many requests.
const REMEMBERED: usize = 65_536;

impl Requests {
    fn forget(&mut self, request: String) {
        self.states.remove(&request);
        if self.gone.insert(request.clone()) {
            self.order.push_back(request);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }

    fn expire(&mut self, idle: Duration) {
        let old = self.states.iter().filter(|(_, (_, used))| used.elapsed() > idle);
        let old: Vec<String> = old.map(|(request, _)| request.clone()).collect();
        old.into_iter().for_each(|request| self.forget(request));
    }
}

/// What came before a call.
pub(super) enum Past {
    /// Kept by the caller.
    Own(Option<State>),
    /// Kept here under the request's name.
    Request(String),
}

impl Node {
    /// Starts the thread that computes. `model_id` is what requests call the model. Texts are read where its vocabulary is that of bytes.
    pub fn new(part: Part, model_id: impl Into<String>, capacity: Capacity) -> Self {
        let (jobs, next) = mpsc::channel::<Job>();
        let (part, shared) = (Arc::new(part), Arc::new(Shared::default()));
        let (own, states, idle) = (Arc::clone(&part), Arc::clone(&shared), capacity.idle);
        std::thread::spawn(move || {
            loop {
                match next.recv_timeout(Duration::from_secs(1).min(idle)) {
                    Ok(job) => job(&own),
                    Err(RecvTimeoutError::Timeout) => states.requests().expire(idle),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        let (queue, streams) = (Semaphore::new(capacity.queue), Semaphore::new(capacity.streams));
        let (queue, streams, model_id) = (Arc::new(queue), Arc::new(streams), model_id.into());
        let of_bytes = part.config().vocab_size == bytes::VOCABULARY;
        let tokenizer = of_bytes.then(|| Arc::new(Tokenizer::Bytes));
        Node { part, model_id, tokenizer, capacity, jobs, queue, streams, shared }
    }

    /// The same, which reads texts by this tokenizer.
    pub fn with_tokenizer(self, tokenizer: Tokenizer) -> Self {
        Node { tokenizer: Some(Arc::new(tokenizer)), ..self }
    }

    /// What it is doing.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            queued: self.shared.queued.load(Ordering::Relaxed),
            streams: self.capacity.streams - self.streams.available_permits(),
            requests: self.shared.requests().states.len(),
            computed: self.shared.computed.load(Ordering::Relaxed),
            skipped: self.shared.skipped.load(Ordering::Relaxed),
        }
    }

    /// Lets go of what is kept for a request.
    pub(super) fn finish(&self, request: &str) {
        self.shared.requests().states.remove(request);
    }

    /// A place in the queue, now or never: a client that calls once is told to come again.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.queue).try_acquire_owned();
        place.map_err(|_| Status::resource_exhausted(format!("{} calls wait already", self.capacity.queue)))
    }

    /// A place in the queue, when there is one: a stream is held back until then.
    pub(super) async fn wait_for_place(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.queue).acquire_owned().await.map_err(|_| Status::unavailable("the node stops"))
    }

    /// Runs the part, and gives what it makes, and the state where the caller keeps it.
    ///
    /// What is made of a past that the caller keeps lies where it can be fetched while the part runs on; of others on the host.
    ///
    /// Where the future is dropped before the thread comes to it, nothing is computed.
    pub(super) async fn run(
        &self,
        x: Tensor,
        past: Past,
        place: OwnedSemaphorePermit,
    ) -> Result<(Tensor, Option<State>), Status> {
        let tokens: usize = x.dims().iter().take(2).product();
        if tokens > self.capacity.tokens {
            let limit = self.capacity.tokens;
            return Err(Status::invalid_argument(format!("{tokens} tokens in one call, of at most {limit}")));
        }
        let (reply, answer) = oneshot::channel();
        let (shared, capacity) = (Arc::clone(&self.shared), self.capacity.clone());
        shared.queued.fetch_add(1, Ordering::Relaxed);
        let job = move |part: &Part| {
            // The place is free once this has run.
            let _place = place;
            shared.queued.fetch_sub(1, Ordering::Relaxed);
            if reply.is_closed() {
                shared.skipped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let done = catch_unwind(AssertUnwindSafe(|| shared.run(part, &x, past, &capacity)));
            shared.computed.fetch_add(1, Ordering::Relaxed);
            // Whoever asked may have gone meanwhile.
            let _ = reply
                .send(done.unwrap_or_else(|_| Err(Status::internal("the model failed; see the node's log"))));
        };
        self.jobs.send(Box::new(job)).map_err(|_| Status::unavailable("the node stops"))?;
        answer.await.map_err(|_| Status::unavailable("the node stops"))?
    }
}

impl Shared {
    /// `y` on a stream of its own, whose end does not wait for what the part computes next.
    fn set_apart(&self, y: Tensor) -> Result<Tensor, Error> {
        if y.device() == Device::Cpu {
            return Ok(y);
        }
        let sending = match self.sending.get() {
            Some(sending) => sending,
            None => {
                let opened = tilewright_gpu::stream(y.device())?;
                self.sending.get_or_init(|| opened)
            }
        };
        copy(sending, &y, &CopyTo::default())
    }

    fn requests(&self) -> std::sync::MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(
        &self,
        part: &Part,
        x: &Tensor,
        past: Past,
        capacity: &Capacity,
    ) -> Result<(Tensor, Option<State>), Status> {
        let once = |state: Option<&State>| {
            let (y, after) = part.run(x, state)?;
            Ok((y.to_host()?, after))
        };
        match past {
            Past::Own(state) => {
                let (y, after) = part.run(x, state.as_ref()).map_err(status)?;
                Ok((self.set_apart(y).map_err(status)?, Some(after)))
            }
            Past::Request(request) => {
                let state = {
                    let mut requests = self.requests();
                    requests.expire(capacity.idle);
                    let limit = capacity.requests;
                    if requests.gone.contains(&request) {
                        return Err(Status::failed_precondition(
                            "the state of this request has gone: begin anew, under another name",
                        ));
                    }
                    if !requests.states.contains_key(&request) && requests.states.len() >= limit {
                        return Err(Status::resource_exhausted(format!(
                            "the states of {limit} requests are kept already"
                        )));
                    }
                    requests.states.remove(&request).map(|(state, _)| state)
                };
                match once(state.as_ref()) {
                    Ok((y, after)) => {
                        self.requests().states.insert(request, (after, Instant::now()));
                        Ok((y, None))
                    }
                    Err(why) => {
                        // What was refused has changed nothing.
                        if let Some(state) = state {
                            self.requests().states.insert(request, (state, Instant::now()));
                        }
                        Err(status(why))
                    }
                }
            }
        }
    }
}

/// What a failure is to a caller.
pub(super) fn status(why: Error) -> Status {
    let text = why.to_string();
    match why.kind() {
        Kind::Shape { .. } | Kind::DType { .. } | Kind::Layout { .. } | Kind::Range { .. } => {
            Status::invalid_argument(text)
        }
        Kind::Unsupported { .. } => Status::unimplemented(text),
        Kind::OutOfMemory { .. } => Status::resource_exhausted(text),
        _ => Status::internal(text),
    }
}
