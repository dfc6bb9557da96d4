//! Many small linear systems at once, one of them singular: the batch does not fail with it.
//!
//! `cargo run --release -p tilewright --example batched_solve [cpu | cuda:0 | metal:0 | emulated]`

use tilewright::kernels::linalg::solve;
use tilewright::{Device, Result, Tensor, stream};

const SYSTEMS: usize = 1000;
const N: usize = 16;
const SINGULAR: usize = 17;

fn main() -> Result<()> {
    let device = std::env::args().nth(1).map_or(Ok(Device::Cpu), |name| name.parse())?;
    let stream = stream(device)?;

    // Circulant matrices with a strong diagonal, and right-hand sides for which every solution is all ones.
    let element = |system: usize, i: usize, j: usize| {
        let distance = (j + N - i) % N;
        if distance == 0 { N as f32 } else { ((system + distance) as f32).sin() }
    };
    let elements = (0..SYSTEMS * N * N).map(|at| match at / (N * N) {
        SINGULAR => 0.0,
        system => element(system, at / N % N, at % N),
    });
    let a: Vec<f32> = elements.collect();
    let b: Vec<f32> = a.chunks(N).map(|row| row.iter().sum()).collect();
    let a = Tensor::from_vec(a, [SYSTEMS, N, N])?.to(&stream)?;
    let b = Tensor::from_vec(b, [SYSTEMS, N])?.to(&stream)?;

    let solution = solve(&stream, &a, &b)?;
    let (x, info) = (solution.x.to_vec::<f32>()?, solution.info.to_vec::<i32>()?);
    let mut worst = 0.0f32;
    for (system, x) in x.chunks(N).enumerate() {
        match info[system] {
            0 => worst = x.iter().fold(worst, |worst, x| worst.max((x - 1.0).abs())),
            pivot => println!("{device}: system {system} is singular at pivot {pivot}"),
        }
    }
    println!("{device}: the others are solved, with an error of at most {worst:.1e}");
    Ok(())
}
