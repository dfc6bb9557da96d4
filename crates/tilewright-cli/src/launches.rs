//! `tilewright launches`: what the runtime itself costs.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tilewright_check::{Row, Summary, Timing, write_record};
use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::{BareLaunch, CudaStream};
use tilewright_gpu::{Capture, Definition, Grid, Program};

use crate::stop::Stop;
use crate::{Console, records, select, table};

/// Time launches themselves: to submit one (on CUDA also by the driver's call alone, the floor), to submit one and wait, a hundred, and
/// a hundred replayed from a capture.
#[derive(Args)]
pub(crate) struct Options {
    /// The GPU.
    #[arg(long, default_value = "cuda:0")]
    device: Device,
    /// Samples of each.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(5..))]
    samples: u16,
    /// Add the results to the records, in FOLDER/<host>/<date>_<commit>.csv.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = "bench/record")]
    record: Option<PathBuf>,
    /// The machine's name in the records [default: made of its processor].
    #[arg(long)]
    host: Option<String>,
}

#[derive(Serialize)]
struct Cost {
    case: &'static str,
    /// Microseconds of the whole case.
    median_us: f64,
    mad_us: f64,
    min_us: f64,
}

pub(crate) fn launches(options: &Options, console: &mut Console) -> Result<(), Stop> {
    if matches!(options.device, Device::Emulated | Device::Cpu) {
        return Err(Stop::Usage(format!("--device {}: only a GPU has launches to time", options.device)));
    }
    let stream = select::stream(options.device)?;
    let measured = measure(&stream, usize::from(options.samples))?;
    let costs: Vec<Cost> = measured
        .iter()
        .map(|&(case, summary)| Cost {
            case,
            median_us: summary.median * 1e3,
            mad_us: summary.mad * 1e3,
            min_us: summary.min * 1e3,
        })
        .collect();
    if console.json {
        console.json(&costs)?;
    } else {
        let cell = |value: f64| format!("{value:.2}");
        let rows: Vec<[String; 4]> = costs
            .iter()
            .map(|cost| [cost.case.to_owned(), cell(cost.median_us), cell(cost.mad_us), cell(cost.min_us)])
            .collect();
        table::write(console.out, ["case", "median us", "mad us", "min us"], &rows)?;
    }
    if let Some(folder) = &options.record {
        let blank = records::blank(&records::origin(options.host.as_ref()), options.device)?;
        let rows: Vec<Row> = measured
            .iter()
            .map(|&(case, wall)| {
                let mut row = blank.clone();
                (row.kernel, row.case) = ("launch".to_owned(), case.to_owned());
                row.fill(&Timing { samples: usize::from(options.samples), calls: 1, wall, device: None });
                row
            })
            .collect();
        eprintln!("recorded in {}", write_record(folder, &rows)?.display());
    }
    Ok(())
}

/// Launches per batch: enough to see the steady state, few enough that no queue fills up.
const BATCH: usize = 100;

fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

/// Milliseconds of a launch by the driver's call alone, where there is such a thing.
fn driver_alone(stream: &Stream, samples: usize) -> Result<Vec<f64>> {
    let Some(cuda) = stream.driver().as_any().downcast_ref::<CudaStream>() else { return Ok(Vec::new()) };
    let x = Tensor::zeros(DType::F32, [32])?.to(stream)?;
    let mut bare = BareLaunch::new(cuda, &x)?;
    let mut sample = || {
        let begin = Instant::now();
        (0..BATCH).try_for_each(|_| bare.submit())?;
        let each = milliseconds(begin) / BATCH as f64;
        stream.synchronize().map(|()| each)
    };
    sample()?;
    (0..samples).map(|_| sample()).collect()
}

/// Milliseconds of each case, by the host's clock.
fn measure(stream: &Stream, samples: usize) -> Result<Vec<(&'static str, Summary)>> {
    let body = "x[thread_position_in_grid.x] += 1.0f;";
    let program = Program::new(Definition::new("add_one", body).in_place("x"))?;
    let mut x = Tensor::zeros(DType::F32, [32])?.to(stream)?;
    let mut launch = || {
        let launch = program.launch(stream).in_place("x", &mut x);
        launch.grid(Grid::groups([1, 1, 1]), [32, 1, 1]).run().map(drop)
    };
    for _ in 0..BATCH {
        launch()?;
    }
    stream.synchronize()?;
    let (mut submit, mut wait, mut batch, mut replayed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..samples {
        let begin = Instant::now();
        for _ in 0..BATCH {
            launch()?;
        }
        submit.push(milliseconds(begin) / BATCH as f64);
        stream.synchronize()?;
        batch.push(milliseconds(begin));

        let begin = Instant::now();
        launch()?;
        stream.synchronize()?;
        wait.push(milliseconds(begin));
    }
    let (capture, ()) = Capture::record(stream, || (0..BATCH).try_for_each(|_| launch()))?;
    for _ in 0..samples + 1 {
        let begin = Instant::now();
        capture.replay(stream)?;
        stream.synchronize()?;
        replayed.push(milliseconds(begin));
    }
    // The first replay uploads the graph.
    replayed.remove(0);
    let cases = [
        ("submit_one", submit),
        ("submit_one_by_the_driver_alone", driver_alone(stream, samples)?),
        ("submit_one_and_wait", wait),
        ("submit_hundred_and_wait", batch),
        ("replay_hundred_and_wait", replayed),
    ];
    let timed = cases.iter().filter(|(_, samples)| !samples.is_empty());
    Ok(timed.map(|(case, samples)| (*case, Summary::of(samples))).collect())
}
