//! What nodes answer is what the model computes.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_lm::{
    Config, Generation, Greedy, Model, Part, Sampler, Sampling, Tokenizer, Written, bytes, generate,
};
use tilewright_wire::exo::node_service as exo;
use tilewright_wire::service::{Capacity, Dial, Node, Nodes, Served, Serving};

use crate::crowd::settle;
use crate::tiny::{block_on, call, channel, config, model, node, send, served, shard, tokens};

#[test]
fn nodes_write_what_the_model_writes() {
    let parts = [2..3, 0..1, 1..2].map(|blocks| served(blocks, Capacity::default()));
    let addresses = parts.each_ref().map(|part| part.address().to_string());
    let nodes = Nodes::connect(&addresses, &Dial::default()).unwrap();
    let prompts = [bytes::encode("To be, or not"), bytes::encode("Abc")];
    let options = Generation { tokens: 30, prefill: 2 };
    for drawn in [false, true] {
        let sampler = || Sampling::new(if drawn { 1.0 } else { 0.0 }, 0, 0.9, 4).unwrap();
        let expected = generate(&model(), &prompts, &options, &mut sampler(), |_, _| true).unwrap();
        assert_eq!(nodes.generate(&prompts, &options, &mut sampler(), |_, _| true).unwrap(), expected);
    }
    // The last tokens are not sent; each of the others goes through three nodes, and comes back as 257 or 32 numbers of 4 bytes.
    let traffic = nodes.traffic();
    let steps = 2 * (30 - 1) * prompts.len() as u64;
    assert!(
        traffic.sent > steps * (8 + 2 * 32 * 4) && traffic.received > steps * (2 * 32 + 257) * 4,
        "{traffic:?}"
    );
    assert!(traffic.sent < 60 * steps * 32, "{traffic:?}");
    let long = Generation { tokens: 1, prefill: 4096 };
    let prompt = [vec![7; 30_000]];
    assert_eq!(
        nodes.generate(&prompt, &long, &mut Greedy, |_, _| true).unwrap(),
        generate(&model(), &prompt, &long, &mut Greedy, |_, _| true).unwrap(),
        "a residual stream of 512 KiB a piece"
    );
    let error = nodes.generate(&[vec![256]], &options, &mut Greedy, |_, _| true).unwrap_err().to_string();
    assert!(error.contains(&addresses[1]) && error.contains("token is 256, expected 0..256"), "{error}");
    drop(nodes);
    for part in parts {
        part.stop().unwrap();
    }
}

/// Greedy, with the logits kept.
struct Seen(Vec<Vec<u8>>);

impl Sampler for Seen {
    fn choose(&mut self, stream: &Stream, logits: &Tensor, written: &[Written<'_>]) -> Result<Vec<u32>> {
        self.0.push(logits.to_bytes()?);
        Greedy.choose(stream, logits, written)
    }
}

#[test]
fn pieces_of_a_prompt_that_are_under_way_together_change_no_bit() {
    let parts = [0..1, 1..3].map(|blocks| served(blocks, Capacity::default()));
    let addresses = parts.each_ref().map(|part| part.address().to_string());
    let text = |length: u32, step: u32| (0..length).map(|at| at * step % 256).collect::<Vec<u32>>();
    let prompts = [text(1000, 7), text(1003, 11)];
    // The last piece is shorter, and 3 tokens of one text are read step by step.
    let options = Generation { tokens: 4, prefill: 64 };
    let expected = generate(&model(), &prompts, &options, &mut Greedy, |_, _| true).unwrap();
    let mut one_by_one = None;
    for ahead in [1, 0, 2, 3, 100] {
        let nodes = Nodes::connect(&addresses, &Dial { ahead, ..Dial::default() }).unwrap();
        let mut seen = Seen(Vec::new());
        let texts = nodes.generate(&prompts, &options, &mut seen, |_, _| true).unwrap();
        assert_eq!(texts, expected, "{ahead}");
        // 16 pieces and the steps after them go to each of two nodes, whatever is under way.
        let sent = nodes.traffic().sent;
        assert_eq!(*one_by_one.get_or_insert((seen.0.clone(), sent)), (seen.0, sent), "{ahead}");
    }

    // A piece in the middle that the first node refuses: the error is told, nothing stays behind, and the nodes go on.
    let mut wrong = prompts.clone();
    wrong[1][700] = 256;
    let nodes = Nodes::connect(&addresses, &Dial::default()).unwrap();
    let error = nodes.generate(&wrong, &options, &mut Greedy, |_, _| true).unwrap_err().to_string();
    assert!(error.contains(&addresses[0]) && error.contains("token is 256"), "{error}");
    parts.iter().for_each(settle);
    assert_eq!(nodes.generate(&prompts, &options, &mut Greedy, |_, _| true).unwrap(), expected);

    // A node that stops within the prompt.
    let [first, last] = parts;
    let (long, before) = ([text(200_000, 5)], last.statistics().computed);
    let error = std::thread::scope(|scope| {
        let asked = scope.spawn(|| nodes.generate(&long, &options, &mut Greedy, |_, _| true));
        while last.statistics().computed < before + 5 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        last.stop().unwrap();
        asked.join().unwrap().unwrap_err().to_string()
    });
    assert!(error.contains(&addresses[1]), "{error}");
    settle(&first);
}

#[test]
fn exos_calls_keep_the_state_of_a_request_until_it_is_finished() {
    let (first, last) = (served(0..2, Capacity::default()), served(2..3, Capacity::default()));
    let model = model();
    block_on(async {
        let (one, two) = (channel(&first).await, channel(&last).await);
        let (mut state, text) = (None, [vec![5i64, 6, 7], vec![8], vec![9, 10]]);
        for step in &text {
            let rows = [step.iter().map(|&token| token as u32).collect::<Vec<_>>()];
            let (expected, after) = model.next(&model.tokens(&rows).unwrap(), state.as_ref()).unwrap();
            state = Some(after);
            let x = send(&one, 0..2, &tokens(step), Some("r")).await.unwrap();
            let y = send(&two, 2..3, &x, Some("r")).await.unwrap();
            assert_eq!(y.to_bytes().unwrap(), expected.to_bytes().unwrap());
        }
        assert_eq!((first.statistics().requests, last.statistics().requests), (1, 1));
        // A refused step changes nothing.
        let refused = send(&one, 0..2, &tokens(&[400]), Some("r")).await.unwrap_err();
        assert!(refused.message().contains("token is 400"), "{refused}");
        let (expected, _) = model.next(&model.tokens(&[[3]]).unwrap(), state.as_ref()).unwrap();
        let x = send(&one, 0..2, &tokens(&[3]), Some("r")).await.unwrap();
        let y = send(&two, 2..3, &x, Some("r")).await.unwrap();
        assert_eq!(y.to_bytes().unwrap(), expected.to_bytes().unwrap());

        let done = exo::SendResultRequest { request_id: "r".into(), is_finished: true, ..Default::default() };
        for channel in [&one, &two] {
            let _: exo::Empty = call(channel, "SendResult", done.clone()).await.unwrap();
        }
        assert_eq!((first.statistics().requests, last.statistics().requests), (0, 0));
        // A prompt is its bytes.
        let prompt = exo::PromptRequest { shard: shard(0..2), prompt: "ab".into(), ..Default::default() };
        let answer: exo::Tensor = call(&one, "SendPrompt", prompt).await.unwrap();
        let x = send(&one, 0..2, &tokens(&[97, 98]), None).await.unwrap();
        assert_eq!(answer.to_tensor().unwrap().to_bytes().unwrap(), x.to_bytes().unwrap());
    });
}

#[test]
fn a_prompt_is_read_by_the_models_tokenizer() {
    // Two letters, and the word of both.
    const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":null,"post_processor":null,"decoder":null,
        "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
        "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,
        "vocab":{"a":3,"b":1,"ab":4,"c":9},"merges":[["a","b"]]}}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.json");
    std::fs::write(&path, WORDS).unwrap();
    let config = Config { vocab_size: 6, ..config() };
    let model = Model::random(config.clone(), &Stream::cpu(), DType::F32, 5).unwrap();
    let node = || {
        let part = Part::of(&config, &Stream::cpu(), model.weights(), None, 0..3).unwrap();
        Node::new(part, "tiny", Capacity { tokens: 16, ..Capacity::default() })
    };
    let start = |node| Served::start(node, "127.0.0.1:0", &Serving::default()).unwrap();
    let (with, without) = (start(node().with_tokenizer(Tokenizer::read(&path).unwrap())), start(node()));
    block_on(async {
        let (with, without) = (channel(&with).await, channel(&without).await);
        let prompt = |text: &str| exo::PromptRequest {
            shard: shard(0..3),
            prompt: text.to_owned(),
            ..Default::default()
        };
        let answer: exo::Tensor = call(&with, "SendPrompt", prompt("abba")).await.unwrap();
        let expected = send(&with, 0..3, &tokens(&[4, 1, 3]), None).await.unwrap();
        assert_eq!(answer.to_tensor().unwrap().to_bytes().unwrap(), expected.to_bytes().unwrap());
        let (many, long) = ("b".repeat(17), "b".repeat(1025));
        for (text, channel, part) in [
            ("ab", &without, "started without the model's tokenizer"),
            // A token that only the tokenizer has; more tokens, and more bytes, than a call may have.
            ("abc", &with, "token is 9, expected 0..6"),
            (&many[..], &with, "17 tokens in one call, of at most 16"),
            (&long[..], &with, "1025 bytes, of at most 1024"),
        ] {
            let status = call::<_, exo::Tensor>(channel, "SendPrompt", prompt(text)).await.unwrap_err();
            assert!(status.message().contains(part), "{status}");
        }
        let none = call::<_, exo::Tensor>(&with, "SendPrompt", prompt("")).await.unwrap_err();
        assert_eq!(none.code(), tonic::Code::InvalidArgument, "{none}");
    });
}

#[test]
fn a_topology_is_collected_over_nodes_that_know_each_other() {
    let last = served(2..3, Capacity::default());
    let serving = Serving {
        id: Some("first".into()),
        peers: vec![last.address().to_string(), "127.0.0.1:1".into()],
        ..Serving::default()
    };
    let first = Served::start(node(0..2, Capacity::default()), "127.0.0.1:0", &serving).unwrap();
    block_on(async {
        let channel = channel(&first).await;
        for (max_depth, count) in [(0, 1), (4, 2), (i32::MAX, 2), (i32::MIN, 1)] {
            let question = exo::CollectTopologyRequest { visited: vec![], max_depth };
            let known: exo::Topology = call(&channel, "CollectTopology", question).await.unwrap();
            assert_eq!(known.nodes.len(), count);
            assert_eq!(known.nodes["first"].model, "tiny");
            assert_eq!(known.peer_graph["first"].connections.len(), 2);
        }
        let well: exo::HealthCheckResponse =
            call(&channel, "HealthCheck", exo::HealthCheckRequest {}).await.unwrap();
        assert!(well.is_healthy);
    });
}

#[test]
fn what_a_node_is_not_for_is_refused_with_the_reason() {
    let last = served(1..3, Capacity { message_bytes: 4096, tokens: 8, ..Capacity::default() });
    block_on(async {
        let channel = channel(&last).await;
        let hidden = |s: usize| Tensor::zeros(tilewright_core::DType::F32, [1, s, 32]).unwrap();
        for (result, part) in [
            (send(&channel, 0..3, &hidden(1), None).await, "this node holds the layers 1 to 2 of 3"),
            (send(&channel, 1..3, &tokens(&[1]), None).await, "x has dtype i64, expected f32"),
            (send(&channel, 1..3, &hidden(9), None).await, "9 tokens in one call, of at most 8"),
            (send(&channel, 1..3, &hidden(100), None).await, "4096"),
            (send(&channel, 1..3, &hidden(1), Some(&"x".repeat(300))).await, "more than 256 bytes"),
        ] {
            let status = result.map(drop).unwrap_err();
            assert!(status.message().contains(part), "{status}");
        }
        let prompt = exo::PromptRequest { shard: shard(1..3), prompt: "ab".into(), ..Default::default() };
        let refused = call::<_, exo::Tensor>(&channel, "SendPrompt", prompt).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unimplemented);
        let example =
            call::<_, exo::Loss>(&channel, "SendExample", exo::ExampleRequest::default()).await.unwrap_err();
        assert!(example.message().contains("nodes do not train"));
        let unknown = call::<_, exo::Empty>(&channel, "SendLove", exo::Empty {}).await.unwrap_err();
        assert_eq!(unknown.code(), tonic::Code::Unimplemented);
    });
    let error = Nodes::connect(&["127.0.0.1:1"], &Dial::default()).map(drop).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1: Unavailable"), "{error}");
    let error =
        Nodes::connect(&[last.address().to_string()], &Dial::default()).map(drop).unwrap_err().to_string();
    assert!(error.contains("holds the blocks 1..3, where 0 should come next"), "{error}");
}
