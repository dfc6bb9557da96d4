//! A small model, nodes that hold it, and a client as exo has it.

use tilewright_core::{DType, Stream, Tensor};
use tilewright_lm::{Config, Model, Part};
use tilewright_wire::exo::node_service as exo;
use tilewright_wire::service::{Capacity, Node, Served, Serving};
use tonic::transport::Channel;
use tonic::{Request, Status};

pub(crate) fn config() -> Config {
    Config { hidden_size: 32, num_hidden_layers: 3, num_heads: 2, ..Config::bytes() }
}

pub(crate) fn model() -> Model {
    Model::random(config(), &Stream::cpu(), DType::F32, 5).unwrap()
}

pub(crate) fn node(blocks: std::ops::Range<usize>, capacity: Capacity) -> Node {
    let (model, stream) = (model(), Stream::cpu());
    Node::new(Part::of(&config(), &stream, model.weights(), None, blocks).unwrap(), "tiny", capacity)
}

pub(crate) fn served(blocks: std::ops::Range<usize>, capacity: Capacity) -> Served {
    Served::start(node(blocks, capacity), "127.0.0.1:0", &Serving::default()).unwrap()
}

pub(crate) fn shard(blocks: std::ops::Range<i32>) -> Option<exo::Shard> {
    let (start_layer, end_layer) = (blocks.start, blocks.end - 1);
    Some(exo::Shard { model_id: "tiny".into(), start_layer, end_layer, n_layers: 3 })
}

pub(crate) fn tokens(values: &[i64]) -> Tensor {
    Tensor::from_vec(values.to_vec(), [1, values.len()]).unwrap()
}

pub(crate) async fn channel(served: &Served) -> Channel {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", served.address())).unwrap();
    endpoint.connect().await.unwrap()
}

pub(crate) async fn call<A, B>(channel: &Channel, method: &str, message: A) -> Result<B, Status>
where
    A: prost::Message + 'static,
    B: prost::Message + Default + 'static,
{
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.map_err(|why| Status::unavailable(why.to_string()))?;
    let path = format!("/node_service.NodeService/{method}").parse().unwrap();
    let codec = tonic_prost::ProstCodec::<A, B>::default();
    Ok(grpc.unary(Request::new(message), path, codec).await?.into_inner())
}

/// What `SendTensor` makes of a tensor.
pub(crate) async fn send(
    channel: &Channel,
    blocks: std::ops::Range<i32>,
    x: &Tensor,
    request: Option<&str>,
) -> Result<Tensor, Status> {
    let message = exo::TensorRequest {
        shard: shard(blocks),
        tensor: Some(exo::Tensor::from_tensor(x).unwrap()),
        request_id: request.map(str::to_owned),
        inference_state: None,
    };
    let answer: exo::Tensor = call(channel, "SendTensor", message).await?;
    Ok(answer.to_tensor().unwrap())
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}
