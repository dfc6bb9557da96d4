//! exo's formats: bytes that Python's encoders wrote are read, and written again to the byte; mutants of them are refused or read.

use std::time::{Duration, Instant};

use prost::Message as _;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Tensor};
use tilewright_wire::exo::{node_service as proto, prefill, socket};

use crate::frames::fixture;
use crate::hostile::mutated;

const LIMIT: usize = 1 << 20;

/// 0, 1, 2, .. less 3, as the scripts have them.
fn numbers(dtype: DType, shape: &[usize]) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product::<usize>()).map(|i| i as f64 - 3.0).collect();
    Tensor::from_f64(&values, dtype, shape).unwrap()
}

fn messages(mut stream: &[u8]) -> tilewright_core::Result<(prefill::Header, Vec<prefill::Message>)> {
    let header = prefill::read_header(&mut stream, LIMIT)?;
    let mut all = Vec::new();
    while let Some(message) = prefill::read_message(&mut stream, LIMIT)? {
        all.push(message);
    }
    Ok((header, all))
}

#[test]
fn prefill_streams_are_read_and_written_to_the_byte() {
    for (name, place) in
        [("exo_prefill.bin", prefill::Place::Behind), ("exo_prefill_within.bin", prefill::Place::Within)]
    {
        let bytes = fixture(name);
        let (header, messages) = messages(&bytes).unwrap();
        assert_eq!((&*header.model_id, header.num_layers, header.start_pos), ("xlstm-naïve", 300, 70_000));
        assert_eq!(header.dtype, DType::Bf16);
        let shapes = [(DType::Bf16, [5, 2, 4]), (DType::F16, [40, 3, 7]), (DType::F32, [0, 2, 4])];
        for (layer, (dtype, shape)) in shapes.into_iter().enumerate() {
            let prefill::Message::KvChunk { layer_idx, keys, values } = &messages[layer] else { panic!() };
            assert_eq!((*layer_idx, keys.dtype(), keys.dims()), (layer as i64, dtype, &shape[..]));
            assert_eq!(keys.to_bytes().unwrap(), numbers(dtype, &shape).to_bytes().unwrap());
            let mut reversed = keys.to_f64_vec().unwrap();
            reversed = reversed.chunks(shape[1] * shape[2]).rev().flatten().copied().collect();
            assert_eq!(values.to_f64_vec().unwrap(), reversed);
        }
        let prefill::Message::ArraysState { layer_idx: 200, arrays } = &messages[3] else { panic!() };
        assert_eq!(
            (arrays[0].dims(), arrays[1].dims(), arrays[1].dtype()),
            (&[1, 2, 3][..], &[][..], DType::Bf16)
        );
        assert!(matches!(messages[4], prefill::Message::Done { total_tokens: 70_005 }));
        assert!(
            matches!(&messages[5], prefill::Message::Error { code: -500, message } if message == "out of memory")
        );

        let mut written = Vec::new();
        prefill::write_header(&mut written, &header).unwrap();
        for message in &messages {
            // As a cache has them, heads before tokens, seen as tokens before heads.
            let message = match message {
                prefill::Message::KvChunk { layer_idx, keys, values } => {
                    let exchanged = |tensor: &Tensor| {
                        let cache = tensor.permute(&[1, 0, 2]).unwrap();
                        let cache = with_own_memory(&cache);
                        cache.permute(&[1, 0, 2]).unwrap()
                    };
                    let (keys, values) = (exchanged(keys), exchanged(values));
                    prefill::Message::KvChunk { layer_idx: *layer_idx, keys, values }
                }
                other => other.clone(),
            };
            let begin = written.len();
            prefill::write_message(&mut written, &message, place).unwrap();
            assert_eq!(message.encode(place).unwrap().bytes(), written.len() - begin);
        }
        assert!(written == bytes, "{name}");
    }
}

fn with_own_memory(tensor: &Tensor) -> Tensor {
    Tensor::from_f64(&tensor.to_f64_vec().unwrap(), tensor.dtype(), tensor.dims()).unwrap()
}

#[test]
fn prefill_refuses_what_the_format_lacks_and_what_lies() {
    let (one, two) = (numbers(DType::F32, &[2, 1, 2]), numbers(DType::F32, &[1, 2, 2]));
    let chunk = |keys: &Tensor, values: &Tensor| {
        let message = prefill::Message::KvChunk { layer_idx: 0, keys: keys.clone(), values: values.clone() };
        prefill::write_message(&mut Vec::new(), &message, prefill::Place::Behind).unwrap_err().to_string()
    };
    assert!(chunk(&one, &two).contains("values has shape [1, 2, 2]"));
    assert!(chunk(&one, &numbers(DType::F16, &[2, 1, 2])).contains("values has dtype f16"));
    let doubles = numbers(DType::F64, &[2, 1, 2]);
    assert!(chunk(&doubles, &doubles).contains("tensor has dtype f64"));
    assert!(chunk(&numbers(DType::F32, &[4]), &two).contains("keys has shape [4]"));

    let good = fixture("exo_prefill.bin");
    for (from, to, part) in [
        (&b"\xa8bfloat16\xa8keys"[..], &b"\xa8float999\xa8keys"[..], "dtype is \"float999\""),
        (b"num_tokens\x05", b"num_tokens\x06", "data is 80 bytes, expected 96 bytes"),
        (b"num_tokens\x05", b"num_tokens\xff", "shape is -1"),
        (b"keys_len\x50", b"keys_len\xc0", "keys_len is nil"),
        (b"\xa8kv_chunk", b"\xa8kv_chink", "type is \"kv_chink\""),
    ] {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        let mut lie = good.clone();
        lie[at..at + to.len()].copy_from_slice(to);
        let error = messages(&lie).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let long = [&[0xff; 4][..], &[0; 9]].concat();
    assert!(messages(&long).unwrap_err().to_string().contains("length is 4294967295"));
    // A stream may end between two messages, and nowhere else.
    let mut left = &good[..];
    prefill::read_header(&mut left, LIMIT).unwrap();
    let mut ends = vec![good.len() - left.len()];
    while prefill::read_message(&mut left, LIMIT).unwrap().is_some() {
        ends.push(good.len() - left.len());
    }
    assert_eq!(ends.len(), 7);
    for cut in 0..good.len() {
        assert_eq!(messages(&good[..cut]).is_ok(), ends.contains(&cut), "{cut}");
    }
}

fn socket_messages(mut stream: &[u8]) -> tilewright_core::Result<Vec<socket::Message>> {
    let mut all = Vec::new();
    while let Some(message) = socket::read(&mut stream, LIMIT)? {
        all.push(message);
    }
    Ok(all)
}

#[test]
fn socket_messages_are_read_and_written_to_the_byte() {
    let bytes = fixture("exo_socket.bin");
    let messages = socket_messages(&bytes).unwrap();
    let array = numbers(DType::F32, &[2, 3]).to_bytes().unwrap();
    let socket::Message::TensorRequest { shard, tensor, request_id, .. } = &messages[4] else { panic!() };
    assert_eq!((&*shard.model_id, shard.n_layers), ("mé \u{1F980} \x7f\n\"", 8));
    assert_eq!((request_id.as_deref(), tensor.to_bytes().unwrap()), (Some("r"), array.clone()));
    let socket::Message::Result { tensor: Some(half), is_finished: true, .. } = &messages[7] else {
        panic!()
    };
    assert_eq!((half.dtype(), half.to_f64_vec().unwrap()), (DType::Bf16, vec![-3.0, -2.0, -1.0, 0.0]));
    // The last one has its metadata where the fork's client looks for it; it is written where the server puts it.
    let socket::Message::TensorResponse(Some(nested)) = messages.last().unwrap() else { panic!() };
    assert_eq!(nested.to_bytes().unwrap(), array);
    let mut written = Vec::new();
    messages[..messages.len() - 1].iter().for_each(|message| socket::write(&mut written, message).unwrap());
    assert_eq!(messages.len(), 12);
    let last = bytes.windows(4).rposition(|window| window == b"EXO\x01").unwrap();
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&bytes[..last]));
    assert!(written == bytes[..last]);

    for (bytes, part) in [
        (&b"EXO\x02\x01\0\0\0\0"[..], "magic"),
        (b"EXO\x01\x77\0\0\0\0", "type is 0x77"),
        (b"EXO\x01\x14\0\0\0\0", "type is 0x14"),
        (b"EXO\x01\x12\xff\xff\xff\xff", "length is 4294967295"),
        (b"EXO\x01\x12\0\0\0\x04\0\0\0\x09", "a length beyond the message"),
        (b"EXO\x01\x02\0\0\0\x02[]", "JSON of its type"),
        (b"EXO\x01\x02\0\0", "stream"),
        (b"EXO\x01\x02\0\0\0\x05{", "stream"),
    ] {
        let error = socket_messages(bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn node_service_messages_are_read_and_written_to_the_byte() {
    fn again<M: prost::Message + Default>(bytes: &[u8]) -> M {
        let message = M::decode(bytes).unwrap();
        assert_eq!(message.encode_to_vec(), bytes, "{}", std::any::type_name::<M>());
        message
    }
    let bytes = fixture("exo_node_service.bin");
    let (mut rest, mut parts) = (&bytes[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (part, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        (rest, parts) = (after, [parts, vec![part]].concat());
    }
    let prompt: proto::PromptRequest = again(parts[0]);
    let state = prompt.inference_state.unwrap();
    assert_eq!((&*prompt.prompt, state.tensor_list_data["l"].tensors.len()), ("To be, naïvely", 2));
    assert_eq!(state.tensor_data["a"].to_tensor().unwrap().to_f64_vec().unwrap(), [-3.0]);
    let sent: proto::TensorRequest = again(parts[1]);
    let tensor = sent.tensor.unwrap();
    assert_eq!(tensor.to_tensor().unwrap().to_f64_vec().unwrap(), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]);
    assert_eq!(proto::Tensor::from_tensor(&tensor.to_tensor().unwrap()).unwrap(), tensor);
    assert_eq!(sent.request_id, None);
    let example: proto::ExampleRequest = again(parts[2]);
    assert_eq!((example.train, example.request_id.as_deref()), (true, Some("")));
    assert_eq!(again::<proto::Loss>(parts[3]).loss, 2.5);
    assert_eq!(again::<proto::CollectTopologyRequest>(parts[4]).max_depth, 4);
    assert_eq!(again::<proto::Topology>(parts[5]).nodes["b"].flops.as_ref().unwrap().int8, 6.0);
    assert_eq!(again::<proto::SendResultRequest>(parts[6]).result, [1, 300, -2]);
    assert_eq!(again::<proto::SendOpaqueStatusRequest>(parts[7]).status, "{}");
    again::<proto::HealthCheckRequest>(parts[8]);
    assert!(again::<proto::HealthCheckResponse>(parts[9]).is_healthy);
    again::<proto::Empty>(parts[10]);

    let wrong = |change: fn(&mut proto::Tensor)| {
        let mut tensor = tensor.clone();
        change(&mut tensor);
        tensor.to_tensor().unwrap_err().to_string()
    };
    assert!(wrong(|tensor| tensor.dtype = "complex64".repeat(1000)).len() < 200);
    assert!(wrong(|tensor| tensor.shape = vec![-2, -3]).contains("shape is -2"));
    assert!(wrong(|tensor| tensor.shape = vec![i32::MAX; 3]).contains("2^60"));
    assert!(wrong(|tensor| tensor.shape = vec![1; 9]).contains("rank"));
    assert!(wrong(|tensor| tensor.shape = vec![7]).contains("data is 24 bytes, expected 28 bytes"));
}

#[test]
fn mutants_of_exos_bytes_neither_panic_nor_hang() {
    let names = ["exo_prefill.bin", "exo_prefill_within.bin", "exo_socket.bin", "exo_node_service.bin"];
    let corpus = names.map(fixture);
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (begin, mut tried, mut read) = (Instant::now(), 0u32, 0);
    while begin.elapsed() < Duration::from_secs(2) {
        let which = tried as usize % corpus.len();
        let bytes = mutated(&corpus[which], &mut random);
        let one = Instant::now();
        read += u32::from(match which {
            0 | 1 => messages(&bytes).is_ok(),
            2 => socket_messages(&bytes).is_ok(),
            _ => {
                let bytes = bytes.get(4..).unwrap_or_default();
                let prompt = proto::PromptRequest::decode(bytes);
                for tensor in prompt
                    .iter()
                    .flat_map(|prompt| &prompt.inference_state)
                    .flat_map(|state| state.tensor_data.values())
                {
                    let _ = tensor.to_tensor();
                }
                prompt.is_ok() | proto::Topology::decode(bytes).is_ok()
            }
        });
        assert!(one.elapsed() < Duration::from_secs(1));
        tried += 1;
    }
    assert!(tried > 1000 && read > 10 && read < tried, "{read} of {tried} were messages");
}
