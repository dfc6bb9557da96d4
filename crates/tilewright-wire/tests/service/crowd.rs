//! Many clients, of which some vanish.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::Stream;
use tilewright_lm::{Generation, Greedy, Part, bytes, generate};
use tilewright_wire::service::{Capacity, Dial, Nodes, Served, Serving};
use tilewright_wire::{Frame, Item, Limits};
use tonic::Code;

use crate::tiny::{block_on, channel, config, model, node, send, served, tokens};

/// Waits until the node has nothing more to do.
pub(crate) fn settle(served: &Served) {
    let begin = Instant::now();
    loop {
        let now = served.statistics();
        if now.queued == 0 && now.streams == 0 {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_thousand_at_once_get_the_right_answer_or_a_refusal_and_leave_nothing() {
    let idle = Duration::from_millis(500);
    let served = served(0..3, Capacity { queue: 200, requests: 100, idle, ..Capacity::default() });
    let model = model();
    let expected: Vec<Vec<u8>> = (0..10u32)
        .map(|text| {
            let tokens = model.tokens(&[[text, text + 1, 100]]).unwrap();
            model.next(&tokens, None).unwrap().0.to_bytes().unwrap()
        })
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut right, mut refused, mut vanished) = (0, 0, 0);
    block_on(async {
        let mut channels = Vec::new();
        for _ in 0..20 {
            channels.push(channel(&served).await);
        }
        let mut calls = tokio::task::JoinSet::new();
        for call in 0..1000i64 {
            let (channel, text) = (channels[call as usize % 20].clone(), call % 10);
            // A third gives up after a moment; a half leaves a state behind, and never says that it is finished.
            let patience =
                random.random_bool(0.33).then(|| Duration::from_millis(random.random_range(0..40)));
            let request = random.random_bool(0.5).then(|| format!("request {call}"));
            calls.spawn(async move {
                let x = tokens(&[text, text + 1, 100]);
                let answer = send(&channel, 0..3, &x, request.as_deref());
                let answer = match patience {
                    None => Some(answer.await),
                    Some(patience) => tokio::time::timeout(patience, answer).await.ok(),
                };
                (text, answer)
            });
        }
        while let Some(done) = calls.join_next().await {
            match done.unwrap() {
                (text, Some(Ok(y))) => {
                    assert!(y.to_bytes().unwrap() == expected[text as usize]);
                    right += 1;
                }
                (_, Some(Err(status))) => {
                    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                    refused += 1;
                }
                (_, None) => vanished += 1,
            }
        }
    });
    assert_eq!(right + refused + vanished, 1000);
    assert!(right > 100, "{right} right, {refused} refused, {vanished} vanished");
    settle(&served);
    let begin = Instant::now();
    while served.statistics().requests > 0 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", served.statistics());
        std::thread::sleep(Duration::from_millis(50));
    }
    // It is as good as new; but a state that has gone is not replaced by an empty one.
    block_on(async {
        let channel = channel(&served).await;
        let y = send(&channel, 0..3, &tokens(&[3, 4, 100]), None).await.unwrap();
        assert!(y.to_bytes().unwrap() == expected[3]);
        send(&channel, 0..3, &tokens(&[3]), Some("late")).await.unwrap();
        tokio::time::sleep(4 * idle).await;
        let gone = send(&channel, 0..3, &tokens(&[4]), Some("late")).await.unwrap_err();
        assert_eq!(gone.code(), Code::FailedPrecondition, "{gone}");
    });
    served.stop().unwrap();
}

#[test]
fn a_call_that_is_late_ends_at_its_deadline_and_is_not_computed_later() {
    let serving = Serving { deadline: Duration::from_millis(30), ..Serving::default() };
    let late = Served::start(node(0..3, Capacity::default()), "127.0.0.1:0", &serving).unwrap();
    let x = tokens(&vec![1; 16_384]);
    block_on(async {
        let channel = channel(&late).await;
        let mut calls = tokio::task::JoinSet::new();
        let begin = Instant::now();
        for _ in 0..20 {
            let (channel, x) = (channel.clone(), x.clone());
            calls.spawn(async move { send(&channel, 0..3, &x, None).await.map(drop) });
        }
        let mut overdue = 0;
        while let Some(done) = calls.join_next().await {
            if let Err(status) = done.unwrap() {
                assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
                overdue += 1;
            }
        }
        assert!(
            overdue > 10 && begin.elapsed() < Duration::from_secs(10),
            "{overdue} in {:?}",
            begin.elapsed()
        );
    });
    settle(&late);
    let after = late.statistics();
    assert!(after.skipped > 5, "{after:?}");
}

#[test]
fn streams_that_break_off_leave_nothing_and_too_many_are_refused() {
    let served = served(0..3, Capacity { streams: 4, queue: 2, ..Capacity::default() });
    let address = [served.address().to_string()];
    let options = Generation { tokens: 12, ..Generation::default() };
    let prompt = [bytes::encode("abc")];
    let expected = generate(&model(), &prompt, &options, &mut Greedy, |_, _| true).unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..12)
            .map(|writer| {
                let (address, options, prompt) = (&address, &options, &prompt);
                scope.spawn(move || {
                    let nodes = Nodes::connect(address, &Dial::default()).unwrap();
                    let mut left = if writer % 3 == 0 { 3 } else { usize::MAX };
                    // A third breaks off within the text.
                    nodes.generate(prompt, options, &mut Greedy, |_, _| {
                        left -= 1;
                        left > 0
                    })
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let mut whole = 0;
    for outcome in outcomes {
        match outcome {
            Ok(texts) if texts[0].len() == 12 => {
                assert_eq!(texts, expected);
                whole += 1;
            }
            Ok(texts) => assert_eq!(texts[0], expected[0][..3]),
            Err(why) => assert!(why.to_string().contains("4 streams are open already"), "{why}"),
        }
    }
    assert!(whole > 0);
    settle(&served);
    let nodes = Nodes::connect(&address, &Dial::default()).unwrap();
    assert_eq!(nodes.generate(&prompt, &options, &mut Greedy, |_, _| true).unwrap(), expected);
    // A node that stops ends the stream between two steps, and the caller is told.
    let mut served = Some(served);
    let error = nodes
        .generate(&prompt, &Generation { tokens: 1 << 30, ..options }, &mut Greedy, |_, _| {
            if let Some(served) = served.take() {
                served.stop().unwrap();
            }
            true
        })
        .unwrap_err();
    assert!(error.to_string().contains(&address[0]), "{error}");
}

/// A piece of a frame, as it is on the wire.
#[derive(Clone, PartialEq, prost::Message)]
struct Chunk {
    #[prost(bytes = "vec", tag = "1")]
    data: Vec<u8>,
}

#[test]
fn a_stream_that_is_not_read_is_held_back_and_then_answered_in_order() {
    const PIECES: usize = 24;
    let served = served(0..1, Capacity::default());
    // Of 2 MiB an answer, so that not many fit between the node and one who does not read.
    let piece =
        |at: usize| tokens(&(0..16_384).map(|token| (token * 3 + at as i64) % 256).collect::<Vec<_>>());
    block_on(async {
        let (send, outgoing) = tokio::sync::mpsc::channel(PIECES);
        for at in 0..PIECES {
            let frame = Frame::encode(b"", &[Item::new("x", &piece(at))]).unwrap();
            send.send(Chunk { data: frame.to_vec() }).await.unwrap();
        }
        drop(send);
        let mut grpc = tonic::client::Grpc::new(channel(&served).await);
        grpc.ready().await.unwrap();
        let path = "/tilewright.wire.v1.PartService/Forward".parse().unwrap();
        let codec = tonic_prost::ProstCodec::<Chunk, Chunk>::default();
        let outgoing = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(outgoing));
        let mut answers = grpc.streaming(outgoing, path, codec).await.unwrap().into_inner();
        // Until nothing more is computed for a while.
        let mut before = (0, Instant::now());
        while before.0 == 0 || before.1.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let computed = served.statistics().computed;
            if computed != before.0 {
                before = (computed, Instant::now());
            }
        }
        assert!(before.0 < PIECES as u64 / 2, "{} were computed for one who reads nothing", before.0);

        let model = model();
        let part = Part::of(&config(), &Stream::cpu(), model.weights(), None, 0..1).unwrap();
        let (mut state, mut bytes) = (None, Vec::new());
        for at in 0..PIECES {
            let (expected, after) = part.run(&piece(at), state.as_ref()).unwrap();
            state = Some(after);
            let frame = loop {
                bytes.extend(answers.message().await.unwrap().unwrap().data);
                // A frame ends with a piece, and no piece has two.
                if let Ok(Some(frame)) = Frame::read(&mut &bytes[..], &Limits::default()) {
                    break frame;
                }
            };
            bytes.clear();
            assert!(frame.tensor("y").unwrap().to_bytes().unwrap() == expected.to_bytes().unwrap(), "{at}");
        }
        assert!(answers.message().await.unwrap().is_none());
    });
    settle(&served);
}
