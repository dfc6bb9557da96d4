//! `tilewright wire`: what sending costs, beside computing and between nodes.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tilewright_check::{Role, Row, Summary, Timing, write_record};
use tilewright_core::{AlignedBytes, DType, Device, Error, Layout, Result, Shape, Tensor};
use tilewright_kernels::gemm::{Matmul, matmul};
use tilewright_kernels::pack::pack;
use tilewright_lm::{Config, Generation, Greedy, Model, Part, generate};
use tilewright_wire::exo::prefill::{Message, Place, read_message};
use tilewright_wire::service::{Capacity, Dial, Node, Nodes, Served, Serving, Traffic};
use tilewright_wire::{Frame, Item, Limits};

use crate::stop::Stop;
use crate::{Console, records, select, table};

/// Time what is sent: keys and values, packed and unpacked on the host; steps whose results are packed, fetched and written to a socket, after each
/// step and beside the next; and a model whose blocks two nodes on this machine hold, against the same model in one piece, which must write the
/// same tokens: a token after the other, and a long prompt whose pieces go through the nodes one by one or close behind one another.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to compute and pack.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Rows of a step's result [default: 2048, on the CPU 256].
    #[arg(long)]
    rows: Option<usize>,
    /// Columns of it [default: 8192, on the CPU 512].
    #[arg(long)]
    columns: Option<usize>,
    /// Products of a step.
    #[arg(long, default_value_t = 4)]
    products: usize,
    /// Steps of a sample.
    #[arg(long, default_value_t = 12)]
    steps: usize,
    /// Samples of each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..))]
    samples: u16,
    /// Width of the model.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Its blocks.
    #[arg(long, default_value_t = 6)]
    blocks: usize,
    /// Tokens that it writes.
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// Tokens of the prompt that it reads.
    #[arg(long, default_value_t = 4096)]
    prompt: usize,
    /// Tokens of a piece of the prompt.
    #[arg(long, default_value_t = 256)]
    piece: usize,
    /// A Python with numpy and msgspec: exo's own steps are timed too.
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// The script of those steps.
    #[arg(long, default_value = "bench/peers/exo_wire.py", value_name = "FILE")]
    peer_script: PathBuf,
    /// Add the results to the records, in FOLDER/<host>/<date>_<commit>.csv.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = "bench/record")]
    record: Option<PathBuf>,
    /// The machine's name in the records [default: made of its processor].
    #[arg(long)]
    host: Option<String>,
}

/// One way of doing it.
struct Measured {
    kernel: &'static str,
    case: String,
    role: Role,
    way: String,
    /// Milliseconds of a step, of a token, or of the whole.
    each: Summary,
    /// That are sent and received for each.
    bytes: f64,
}

#[derive(Serialize)]
struct Document<'a> {
    what: &'a str,
    case: &'a str,
    way: &'a str,
    median_ms: f64,
    bytes: f64,
}

pub(crate) fn wire(options: &Options, console: &mut Console) -> Result<(), Stop> {
    let on_cpu = options.device == Device::Cpu;
    let rows = options.rows.unwrap_or(if on_cpu { 256 } else { 2048 });
    let columns = options.columns.unwrap_or(if on_cpu { 512 } else { 8192 });
    let read = [options.prompt, options.piece];
    let sizes = [rows, columns, options.products, options.steps, options.width, options.tokens];
    let sizes = [&sizes[..], &read].concat();
    if sizes.contains(&0) || options.blocks < 2 {
        return Err(Stop::Usage("at least 1 of everything, and 2 blocks, are needed".into()));
    }
    let mut measured = codec(options)?;
    measured.extend(overlap(options, rows, columns)?);
    measured.extend(nodes(options)?);
    let documents: Vec<Document> = measured
        .iter()
        .map(|one| Document {
            what: one.kernel,
            case: &one.case,
            way: &one.way,
            median_ms: one.each.median,
            bytes: one.bytes,
        })
        .collect();
    if console.json {
        console.json(&documents)?;
    } else {
        let cells = documents.iter().map(|one| {
            let (ms, bytes) = (format!("{:.3}", one.median_ms), format!("{:.0}", one.bytes));
            [one.what.to_owned(), one.case.to_owned(), one.way.to_owned(), ms, bytes]
        });
        let cells: Vec<[String; 5]> = cells.collect();
        table::write(&mut *console.out, ["what", "case", "way", "median ms", "bytes"], &cells)?;
    }
    let Some(folder) = &options.record else { return Ok(()) };
    let blank = records::blank(&records::origin(options.host.as_ref()), options.device)?;
    let rows: Vec<Row> = measured
        .into_iter()
        .map(|one| {
            let mut row = blank.clone();
            let dtype = if one.kernel == "codec" { DType::Bf16 } else { DType::F32 };
            (row.kernel, row.case, row.dtype) = (one.kernel.to_owned(), one.case, dtype.name().to_owned());
            (row.role, row.variant, row.bytes) = (one.role, one.way, one.bytes);
            row.fill(&Timing {
                samples: usize::from(options.samples),
                calls: 1,
                wall: one.each,
                device: None,
            });
            row
        })
        .collect();
    eprintln!("recorded in {}", write_record(folder, &rows)?.display());
    Ok(())
}

/// Milliseconds of each of so many steps.
fn each(steps: usize, all: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    all()?;
    Ok(begin.elapsed().as_secs_f64() * 1e3 / steps as f64)
}

/// One way of packing or unpacking, once.
type Once<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// Keys and values of a layer, 32 MiB of 8 heads, 8192 tokens, 128 wide, from heads by tokens to a message of tokens by heads and back.
fn codec(options: &Options) -> Result<Vec<Measured>, Stop> {
    let dims = [8, 8192, 128];
    let tensor = |seed: u32| -> Result<Tensor> {
        let values = (0..dims.iter().product::<usize>() as u32).map(|i| i.wrapping_mul(2_654_435_761) ^ seed);
        let bits: Vec<u8> = values.flat_map(|value| ((value >> 17) as u16).to_le_bytes()).collect();
        let layout = Layout::contiguous(Shape::new(&dims)?);
        Tensor::from_buffer(Arc::new(AlignedBytes::copy_of(&bits)?), DType::Bf16, layout)
    };
    let (keys, values) = (tensor(1)?.permute(&[1, 0, 2])?, tensor(2)?.permute(&[1, 0, 2])?);
    let bytes = (keys.bytes() + values.bytes()) as f64;
    let items = [Item::new("k", &keys), Item::new("v", &values)];
    let message = Message::KvChunk { layer_idx: 0, keys: keys.clone(), values: values.clone() };
    let frame = Frame::encode(b"", &items)?.to_vec();
    let mut sent = Vec::new();
    message.encode(Place::Behind)?.write_to(&mut sent)?;
    let limit = 1 << 30;
    let mut ways: [(&str, Once); 4] = [
        ("pack into a frame", Box::new(|| Frame::encode(b"", &items).map(drop))),
        (
            "unpack a frame",
            Box::new(|| {
                let frame = Frame::read(&mut &frame[..], &Limits::default())?;
                frame.map_or(Ok(()), |frame| frame.tensor("k").and(frame.tensor("v")).map(drop))
            }),
        ),
        ("pack as exo", Box::new(|| message.encode(Place::Behind).map(drop))),
        ("unpack as exo", Box::new(|| read_message(&mut &sent[..], limit).map(drop))),
    ];
    let mut samples: [Vec<f64>; 4] = Default::default();
    for turn in 0..=3 * options.samples {
        for ((_, way), samples) in ways.iter_mut().zip(&mut samples) {
            let time = each(1, way)?;
            // The first has pages to touch.
            samples.extend((turn > 0).then_some(time));
        }
    }
    let row = |role, way: &str, samples: &[f64]| Measured {
        kernel: "codec",
        case: "heads8_tokens8192_width128_bf16".to_owned(),
        role,
        way: way.to_owned(),
        each: Summary::of(samples),
        bytes,
    };
    let mut measured: Vec<Measured> =
        ways.iter().zip(&samples).map(|((way, _), samples)| row(Role::Ours, way, samples)).collect();
    if let Some(python) = &options.python {
        let run = Command::new(python).arg(&options.peer_script).output();
        let run = run.map_err(|why| Stop::Usage(format!("--python {}: {why}", python.display())))?;
        let text = String::from_utf8_lossy(&run.stdout);
        // A step a line: what it is, and its milliseconds.
        let steps = text.lines().filter_map(|line| {
            let (what, rest) = line.split_once("  ")?;
            Some((what.trim(), rest.trim().split_once(" ms")?.0.trim().parse::<f64>().ok()?))
        });
        measured.extend(steps.map(|(what, ms)| row(Role::Peer, &format!("exo: {what}"), &[ms])));
        if !run.status.success() {
            return Err(Stop::Failed(String::from_utf8_lossy(&run.stderr).into_owned()));
        }
    }
    Ok(measured)
}

/// A step and the sending of its result: each alone, one after the other, and the sending by a stream and a thread of its own.
fn overlap(options: &Options, rows: usize, columns: usize) -> Result<Vec<Measured>> {
    let socket = |why: io::Error| Error::file("wire", "socket", why);
    let (compute, sending) =
        (tilewright_gpu::stream(options.device)?, tilewright_gpu::stream(options.device)?);
    let (steps, products) = (options.steps, options.products);
    let weights = Tensor::from_vec(vec![1.0 / columns as f32; columns * columns], [columns, columns])?;
    let weights = weights.to(&compute)?;
    let begin = Tensor::from_vec(vec![1.0f32; rows * columns], [rows, columns])?.to(&compute)?;
    let step = |x: &Tensor| {
        (0..products).try_fold(x.clone(), |x, _| matmul(&compute, &x, &weights, None, &Matmul::default()))
    };
    // A peer that reads whatever comes.
    let listener = TcpListener::bind("127.0.0.1:0").map_err(socket)?;
    let mut to = TcpStream::connect(listener.local_addr().map_err(socket)?).map_err(socket)?;
    to.set_nodelay(true).map_err(socket)?;
    let peer = thread::spawn(move || io::copy(&mut listener.accept()?.0, &mut io::sink()));
    let mut send = |x: &Tensor| -> Result<()> {
        // The first use of x on this stream waits for the other one.
        let packed = pack(&sending, &[x])?.bytes.to_host()?;
        to.write_all(packed.as_slice::<u8>()?).map_err(socket)
    };
    send(&step(&begin)?)?; // compiles

    const WAYS: [&str; 4] = ["compute alone", "send alone", "in turn", "side by side"];
    let mut samples: [Vec<f64>; 4] = Default::default();
    for _ in 0..options.samples {
        samples[0].push(each(steps, || {
            let mut x = begin.clone();
            (0..steps).try_for_each(|_| step(&x).map(|y| x = y))?;
            compute.synchronize()
        })?);
        samples[1].push(each(steps, || (0..steps).try_for_each(|_| send(&begin)))?);
        samples[2].push(each(steps, || {
            let mut x = begin.clone();
            (0..steps).try_for_each(|_| {
                x = step(&x)?;
                send(&x)
            })
        })?);
        samples[3].push(each(steps, || {
            let mut x = begin.clone();
            thread::scope(|scope| {
                let (results, sent) = sync_channel::<Tensor>(1);
                let sender = scope.spawn(|| sent.into_iter().try_for_each(|x| send(&x)));
                for _ in 0..steps {
                    x = step(&x)?;
                    if results.send(x.clone()).is_err() {
                        break; // the sender says why
                    }
                }
                drop(results);
                sender.join().expect("the sender does not panic")
            })
        })?);
    }
    drop(to); // ends the peer
    peer.join().expect("the peer does not panic").map_err(socket)?;
    let case = format!("m{rows}_n{columns}_products{products}");
    Ok(measured("overlap", &case, WAYS, samples, begin.bytes() as f64))
}

/// Ways to do one thing, of which the first sends nothing.
fn measured<const N: usize>(
    kernel: &'static str,
    case: &str,
    ways: [&str; N],
    samples: [Vec<f64>; N],
    bytes: f64,
) -> Vec<Measured> {
    let rows = ways.into_iter().zip(samples).enumerate().map(|(at, (way, samples))| Measured {
        kernel,
        case: case.to_owned(),
        role: Role::Ours,
        way: way.to_owned(),
        each: Summary::of(&samples),
        bytes: if at == 0 { 0.0 } else { bytes },
    });
    rows.collect()
}

/// What went both ways since then, in bytes.
fn moved(nodes: &Nodes, before: Traffic) -> f64 {
    let now = nodes.traffic();
    (now.sent + now.received - before.sent - before.received) as f64
}

/// A model in one piece, and in two nodes that answer at addresses of this machine.
fn nodes(options: &Options) -> Result<Vec<Measured>, Stop> {
    let config = Config {
        hidden_size: options.width,
        num_hidden_layers: options.blocks,
        num_heads: 4,
        ..Config::bytes()
    };
    let stream = select::stream(options.device)?;
    let model = Model::random(config.clone(), &stream, DType::F32, 5)?;
    let half = options.blocks / 2;
    let mut served = Vec::new();
    for blocks in [0..half, half..options.blocks] {
        // As processes of their own would have them.
        let own = select::stream(options.device)?;
        let part = Part::of(&config, &own, model.weights(), None, blocks)?;
        let node = Node::new(part, "random", Capacity::default());
        served.push(Served::start(node, "127.0.0.1:0", &Serving::default())?);
    }
    let addresses: Vec<String> = served.iter().map(|node| node.address().to_string()).collect();
    let nodes = Nodes::connect(&addresses, &Dial::default())?;
    let prompts = [(0..16).collect::<Vec<u32>>()];
    let limits = Generation { tokens: options.tokens, ..Generation::default() };
    let here = || generate(&model, &prompts, &limits, &mut Greedy, |_, _| true);
    let there = || nodes.generate(&prompts, &limits, &mut Greedy, |_, _| true);
    if there()? != here()? {
        return Err(Stop::Failed("two nodes write other tokens than one process".into()));
    }
    let mut samples: [Vec<f64>; 2] = Default::default();
    let before = nodes.traffic();
    for _ in 0..options.samples {
        samples[0].push(each(options.tokens, || here().map(drop))?);
        samples[1].push(each(options.tokens, || there().map(drop))?);
    }
    let bytes = moved(&nodes, before) / (options.tokens * usize::from(options.samples)) as f64;
    let read = prefill(options, &model, &addresses)?;
    drop(nodes);
    for node in served {
        node.stop()?;
    }
    let case = format!("w{}_blocks{}_tokens{}", options.width, options.blocks, options.tokens);
    let mut rows = measured("nodes", &case, ["one process", "two nodes"], samples, bytes);
    rows.extend(read);
    Ok(rows)
}

/// A prompt in pieces: through one process, through the nodes a piece after the other, and with several under way. Milliseconds of the whole.
fn prefill(options: &Options, model: &Model, addresses: &[String]) -> Result<Vec<Measured>, Stop> {
    const WAYS: [&str; 3] = ["one process", "two nodes, piece by piece", "two nodes, pieces under way"];
    let prompt = [(0..options.prompt as u32).map(|at| at * 7 % 256).collect::<Vec<u32>>()];
    let limits = Generation { tokens: 1, prefill: options.piece };
    let nodes = [1, 0].map(|ahead| Nodes::connect(addresses, &Dial { ahead, ..Dial::default() }));
    let [in_turn, ahead] = nodes;
    let (in_turn, ahead) = (in_turn?, ahead?);
    let here = || generate(model, &prompt, &limits, &mut Greedy, |_, _| true);
    let there = |nodes: &Nodes| nodes.generate(&prompt, &limits, &mut Greedy, |_, _| true);
    let expected = here()?;
    if there(&in_turn)? != expected || there(&ahead)? != expected {
        return Err(Stop::Failed("two nodes write another token after the prompt than one process".into()));
    }
    let before = ahead.traffic();
    let mut samples: [Vec<f64>; 3] = Default::default();
    for _ in 0..options.samples {
        samples[0].push(each(1, || here().map(drop))?);
        samples[1].push(each(1, || there(&in_turn).map(drop))?);
        samples[2].push(each(1, || there(&ahead).map(drop))?);
    }
    let bytes = moved(&ahead, before) / f64::from(options.samples);
    let Options { width, blocks, prompt, piece, .. } = options;
    let case = format!("w{width}_blocks{blocks}_prompt{prompt}_piece{piece}");
    Ok(measured("prefill", &case, WAYS, samples, bytes))
}
