//! Nodes that hold a model together.
//!
//! A [`Node`] serves a [`Part`](tilewright_lm::Part) of a model by gRPC, in two ways on one port:
//!
//! - exo's `node_service.NodeService` ([`crate::exo::node_service`]), a message each way. `SendPrompt` and `SendTensor` run the node's blocks;
//!   the shard must be the node's own, its last layer included as exo has it. Tokens are int64 `[b, s]`; the last node answers with logits
//!   `[b, vocab]`, others with the residual stream `[b, s, d]`. With a `request_id` the state of the texts is kept until `SendResult` says
//!   that the request is finished, or for a while; without, each call begins anew. `SendPrompt` reads its text by the node's
//!   tokenizer ([`Node::with_tokenizer`]), and is for the first node. `SendExample` is unsupported, since nodes do not train: it asks for the loss of a text
//!   and the gradient by what came, where a [`Part`](tilewright_lm::Part) has no backward pass and no optimizer; those are the whole model's.
//! - `tilewright.wire.v1.PartService`: a stream for each generation, with [frames](crate::frame) in pieces of 1 MiB instead of one large
//!   message; the state lives as long as the stream, so that nothing stays behind where a client vanishes.
//!
//! [`Nodes`] is the client of the second, and gives the same tokens as one process that has the whole model. The pieces of a long prompt follow one another
//! through the nodes: while one node computes a piece, the node before it computes the next, and each packs and sends what it has made beside what it computes,
//! on a GPU from a stream of its own. How many are under way is [`Dial::ahead`].
//!
//! What a stranger can do is bounded by [`Capacity`]: message sizes, tokens of a call, calls that wait, streams, states, and how long each may be
//! idle. A full queue refuses calls (`RESOURCE_EXHAUSTED`) and holds streams back. A call whose client has gone, or whose deadline has passed,
//! is not computed. [`Security`] is TLS and a shared secret.

mod chunks;
mod client;
mod node;
mod server;
mod topology;

pub use client::{Dial, Nodes, Traffic};
pub use node::{Capacity, Node, Statistics};
pub use server::{Security, Served, Serving};

/// Paths of the service beside exo's.
mod paths {
    pub(super) const DESCRIBE: &str = "/tilewright.wire.v1.PartService/Describe";
    pub(super) const FORWARD: &str = "/tilewright.wire.v1.PartService/Forward";
    pub(super) const TOPOLOGY: &str = "/node_service.NodeService/CollectTopology";
}

/// Nothing.
#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

/// What a node holds.
#[derive(Clone, PartialEq, prost::Message)]
struct Description {
    #[prost(string, tag = "1")]
    model_id: String,
    #[prost(uint64, tag = "2")]
    first_block: u64,
    /// One after the last.
    #[prost(uint64, tag = "3")]
    end_block: u64,
    #[prost(string, tag = "4")]
    config_json: String,
    #[prost(string, tag = "5")]
    dtype: String,
}
