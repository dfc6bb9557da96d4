//! Strangers at the port: noise, secrets that are wrong, certificates that are not theirs, messages of every kind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_lm::{Generation, Greedy, bytes, generate};
use tilewright_wire::exo::node_service as exo;
use tilewright_wire::service::{Capacity, Dial, Nodes, Security, Served, Serving};

use crate::tiny::{block_on, call, channel, model, node, send, served, shard, tokens};

#[test]
fn noise_ends_the_connection_that_it_came_on_and_nothing_else() {
    let served = served(0..3, Capacity::default());
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for kind in 0..20 {
        let mut stream = TcpStream::connect(served.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut noise = vec![0; 4096];
        random.fill(&mut noise[..]);
        if kind % 2 == 0 {
            noise.splice(0..0, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        }
        // It may hang up while it is still being written to.
        let _ = stream.write_all(&noise);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    block_on(async { send(&channel(&served).await, 0..3, &tokens(&[1]), None).await.unwrap() });
}

#[test]
fn random_messages_are_refused_or_answered() {
    let served = served(0..3, Capacity { requests: 8, tokens: 16, ..Capacity::default() });
    let mut random = ChaCha8Rng::seed_from_u64(9);
    block_on(async {
        let channel = channel(&served).await;
        let (begin, mut answered, mut refused) = (Instant::now(), 0, 0);
        while begin.elapsed() < Duration::from_secs(2) {
            let dims = random.random_range(0..4);
            let extent = |random: &mut ChaCha8Rng| match random.random_range(0..8) {
                0 => -1,
                1 => i32::MAX,
                _ => random.random_range(0..3),
            };
            let shape: Vec<i32> = (0..dims).map(|_| extent(&mut random)).collect();
            let elements: i64 = shape.iter().map(|&dim| i64::from(dim.clamp(0, 64))).product();
            let length = if random.random_bool(0.8) { 8 * elements } else { random.random_range(0..100) };
            let mut data = vec![0; length as usize];
            data.iter_mut().step_by(8).for_each(|byte| *byte = random.random());
            let dtype = ["int64", "float32", "bfloat16", "", "object"]
                [random.random_range(0..5).min(random.random_range(0..5))];
            let message = exo::TensorRequest {
                shard: if random.random_bool(0.95) { shard(0..3) } else { shard(0..2) },
                tensor: Some(exo::Tensor { tensor_data: data.into(), shape, dtype: dtype.into() }),
                request_id: random.random_bool(0.5).then(|| format!("{}", random.random_range(0..12))),
                inference_state: random.random_bool(0.5).then(exo::InferenceState::default),
            };
            match call::<_, exo::Tensor>(&channel, "SendTensor", message).await {
                Ok(_) => answered += 1,
                Err(status) => {
                    assert!(
                        !matches!(status.code(), tonic::Code::Internal | tonic::Code::Unknown),
                        "{status}"
                    );
                    refused += 1;
                }
            }
        }
        assert!(answered > 10 && refused > 10, "{answered} answered, {refused} refused");
    });
}

#[test]
fn a_secret_and_a_certificate_keep_strangers_out() {
    let names = vec!["nodes.example".to_owned()];
    let pair = rcgen::generate_simple_self_signed(names.clone()).unwrap();
    let other = rcgen::generate_simple_self_signed(names).unwrap();
    let security = Security {
        secret: Some("sesame".into()),
        identity: Some((pair.cert.pem().into_bytes(), pair.signing_key.serialize_pem().into_bytes())),
    };
    let serving = Serving { security, ..Serving::default() };
    let served = Served::start(node(0..3, Capacity::default()), "127.0.0.1:0", &serving).unwrap();
    let address = [served.address().to_string()];
    let dial = Dial {
        secret: Some("sesame".into()),
        authority: Some(pair.cert.pem().into_bytes()),
        domain: Some("nodes.example".into()),
        answer: Duration::from_secs(20),
        ..Dial::default()
    };
    let nodes = Nodes::connect(&address, &dial).unwrap();
    let (prompt, options) = ([bytes::encode("abc")], Generation { tokens: 5, ..Generation::default() });
    assert_eq!(
        nodes.generate(&prompt, &options, &mut Greedy, |_, _| true).unwrap(),
        generate(&model(), &prompt, &options, &mut Greedy, |_, _| true).unwrap()
    );
    let refused = |dial: Dial| Nodes::connect(&address, &dial).map(drop).unwrap_err().to_string();
    for secret in [None, Some("sesam"), Some("sesame!"), Some("sesama"), Some("")] {
        let error = refused(Dial { secret: secret.map(str::to_owned), ..dial.clone() });
        assert!(error.contains("Unauthenticated: the secret is missing, or another"), "{error}");
    }
    let quick = Dial { connect: Duration::from_secs(2), answer: Duration::from_secs(2), ..dial };
    for stranger in [
        Dial { authority: Some(other.cert.pem().into_bytes()), ..quick.clone() },
        Dial { domain: Some("other.example".into()), ..quick.clone() },
        Dial { authority: None, ..quick },
    ] {
        refused(stranger);
    }
    let broken = Serving {
        security: Security { secret: None, identity: Some((b"none".to_vec(), b"none".to_vec())) },
        ..Serving::default()
    };
    assert!(Served::start(node(0..3, Capacity::default()), "127.0.0.1:0", &broken).is_err());
}
