//! The messages of exo's `node_service` package, as `node_service.proto` beside this file has them.

use std::collections::BTreeMap;

use bytes::Bytes;
use tilewright_core::{AlignedBytes, Error, Result};

use super::{agree, from_numpys, numpys, shape_of, tensor_of};

const NAME: &str = "node_service";

/// Blocks of a model.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Shard {
    /// The model.
    #[prost(string, tag = "1")]
    pub model_id: String,
    /// The first block.
    #[prost(int32, tag = "2")]
    pub start_layer: i32,
    /// The last block, included.
    #[prost(int32, tag = "3")]
    pub end_layer: i32,
    /// Blocks of the whole model.
    #[prost(int32, tag = "4")]
    pub n_layers: i32,
}

/// A tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Tensor {
    /// Row-major, little-endian.
    #[prost(bytes = "bytes", tag = "1")]
    pub tensor_data: Bytes,
    /// The extents.
    #[prost(int32, repeated, tag = "2")]
    pub shape: Vec<i32>,
    /// NumPy's name of the dtype.
    #[prost(string, tag = "3")]
    pub dtype: String,
}

/// Several tensors.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorList {
    /// The tensors.
    #[prost(message, repeated, tag = "1")]
    pub tensors: Vec<Tensor>,
}

/// What a request carries from call to call.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InferenceState {
    /// Tensors by name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub tensor_data: BTreeMap<String, Tensor>,
    /// Lists of tensors by name.
    #[prost(btree_map = "string, message", tag = "2")]
    pub tensor_list_data: BTreeMap<String, TensorList>,
    /// Anything else.
    #[prost(string, tag = "3")]
    pub other_data_json: String,
}

/// A text for the first blocks.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PromptRequest {
    /// The blocks that are meant.
    #[prost(message, optional, tag = "1")]
    pub shard: Option<Shard>,
    /// The text.
    #[prost(string, tag = "2")]
    pub prompt: String,
    /// Tells requests apart.
    #[prost(string, optional, tag = "3")]
    pub request_id: Option<String>,
    /// What came before.
    #[prost(message, optional, tag = "4")]
    pub inference_state: Option<InferenceState>,
}

/// Tokens or a residual stream.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorRequest {
    /// The blocks that are meant.
    #[prost(message, optional, tag = "1")]
    pub shard: Option<Shard>,
    /// Tokens for the first block, a residual stream for others.
    #[prost(message, optional, tag = "2")]
    pub tensor: Option<Tensor>,
    /// Tells requests apart.
    #[prost(string, optional, tag = "3")]
    pub request_id: Option<String>,
    /// What came before.
    #[prost(message, optional, tag = "4")]
    pub inference_state: Option<InferenceState>,
}

/// An example to learn from.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExampleRequest {
    /// The blocks that are meant.
    #[prost(message, optional, tag = "1")]
    pub shard: Option<Shard>,
    /// Inputs.
    #[prost(message, optional, tag = "2")]
    pub example: Option<Tensor>,
    /// Targets.
    #[prost(message, optional, tag = "3")]
    pub target: Option<Tensor>,
    /// Lengths of the rows.
    #[prost(message, optional, tag = "4")]
    pub length: Option<Tensor>,
    /// Whether to learn, or to measure alone.
    #[prost(bool, tag = "5")]
    pub train: bool,
    /// Tells requests apart.
    #[prost(string, optional, tag = "6")]
    pub request_id: Option<String>,
}

/// What an example cost.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Loss {
    /// The loss.
    #[prost(float, tag = "1")]
    pub loss: f32,
    /// The gradient by the input.
    #[prost(message, optional, tag = "2")]
    pub grads: Option<Tensor>,
}

/// Asks who is there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CollectTopologyRequest {
    /// Nodes that were asked already.
    #[prost(string, repeated, tag = "1")]
    pub visited: Vec<String>,
    /// How many steps the question may go on.
    #[prost(int32, tag = "2")]
    pub max_depth: i32,
}

/// Who is there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Topology {
    /// What each node is.
    #[prost(btree_map = "string, message", tag = "1")]
    pub nodes: BTreeMap<String, DeviceCapabilities>,
    /// Whom each node reaches.
    #[prost(btree_map = "string, message", tag = "2")]
    pub peer_graph: BTreeMap<String, PeerConnections>,
}

/// A connection.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PeerConnection {
    /// Where it leads.
    #[prost(string, tag = "1")]
    pub to_id: String,
    /// What it is.
    #[prost(string, optional, tag = "2")]
    pub description: Option<String>,
}

/// A node's connections.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PeerConnections {
    /// Each of them.
    #[prost(message, repeated, tag = "1")]
    pub connections: Vec<PeerConnection>,
}

/// TFLOP/s of a device; 0 where unknown.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeviceFlops {
    /// Of f32.
    #[prost(double, tag = "1")]
    pub fp32: f64,
    /// Of f16.
    #[prost(double, tag = "2")]
    pub fp16: f64,
    /// Of int8.
    #[prost(double, tag = "3")]
    pub int8: f64,
}

/// What a node is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeviceCapabilities {
    /// The machine.
    #[prost(string, tag = "1")]
    pub model: String,
    /// The processor.
    #[prost(string, tag = "2")]
    pub chip: String,
    /// MiB.
    #[prost(int32, tag = "3")]
    pub memory: i32,
    /// Its speed.
    #[prost(message, optional, tag = "4")]
    pub flops: Option<DeviceFlops>,
}

/// Tokens that a request has become.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SendResultRequest {
    /// The request.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// The tokens.
    #[prost(int32, repeated, tag = "2")]
    pub result: Vec<i32>,
    /// A tensor instead.
    #[prost(message, optional, tag = "3")]
    pub tensor: Option<Tensor>,
    /// Whether that is all, so that what is kept for the request may go.
    #[prost(bool, tag = "4")]
    pub is_finished: bool,
}

/// News of a request, as JSON.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SendOpaqueStatusRequest {
    /// The request.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// The news.
    #[prost(string, tag = "2")]
    pub status: String,
}

/// Asks whether a node is well.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckRequest {}

/// Whether it is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckResponse {
    /// Whether it takes requests.
    #[prost(bool, tag = "1")]
    pub is_healthy: bool,
}

/// Nothing.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}

impl Tensor {
    /// The message of a tensor from any device, of any layout.
    ///
    /// # Errors
    /// An extent above `i32::MAX`, which the message cannot say.
    pub fn from_tensor(tensor: &tilewright_core::Tensor) -> Result<Self> {
        let one = |&dim: &usize| {
            i32::try_from(dim).map_err(|_| Error::range(NAME, "shape", "extents below 2^31", dim))
        };
        let shape = tensor.dims().iter().map(one).collect::<Result<_>>()?;
        let tensor_data = Bytes::from(tensor.to_bytes()?);
        Ok(Tensor { tensor_data, shape, dtype: numpys(tensor.dtype()).to_owned() })
    }

    /// The tensor that the message says, in aligned memory.
    ///
    /// # Errors
    /// A dtype that NumPy has not, or that tensors have not here; a negative extent; data of another length.
    pub fn to_tensor(&self) -> Result<tilewright_core::Tensor> {
        let dtype = from_numpys(NAME, &self.dtype)?;
        let shape = shape_of(NAME, self.shape.iter().map(|&dim| i64::from(dim)))?;
        // Before the copy.
        agree(NAME, dtype, &shape, self.tensor_data.len())?;
        tensor_of(NAME, dtype, shape, AlignedBytes::copy_of(&self.tensor_data)?)
    }
}
