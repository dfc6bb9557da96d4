//! GPU path: one launch over the rows of all maps.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::{After, Before, Fused, NAME, Problem};
use crate::gemm::runs::{RUN, RUNS, begins_run};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal"))
        .header([RUNS, include_str!("gpu.header.metal")].concat())
        .threadgroup_memory("memory", DType::U32);
    let templates = ["T", "O", "BEFORE", "AFTER", "WHOLE"];
    let inputs = ["x", "weight", "gate", "plus", "w0", "w1", "w2", "w3", "g0", "g1", "b0", "b1"];
    let sizes = ["k", "heads", "n0", "n1", "n2", "n3", "m0", "m1"];
    let definition = templates.into_iter().fold(definition, Definition::template);
    let definition = inputs.into_iter().fold(definition, Definition::input);
    let definition = sizes.into_iter().fold(definition, |all, name| all.scalar(name, DType::I32));
    let definition = definition.scalar("eps", DType::F32).scalar("cap", DType::F32);
    Program::new(definition.output("out").output("gates")).expect("the definition is valid")
});

/// SIMD groups of a group, as the body has them.
const SIMDS: usize = 8;
/// Of the memory of a group, for the body's own few numbers.
const OWN: usize = 256;

pub(super) fn fits(device: Device, k: usize, dtype: DType) -> Result<bool> {
    Ok(k * dtype.size() + OWN <= caps(device)?.threadgroup_memory)
}

pub(super) fn gemv_fused(stream: &Stream, problem: &Problem<'_>) -> Result<Fused> {
    let (given, k, device) = (problem.given, problem.k, stream.device());
    let (x, dtype) = (given.x, given.x.dtype());
    let is_normed = !matches!(given.before, Before::Nothing);
    if is_normed && !fits(device, k, dtype)? {
        let why = format!("{k} elements of {dtype} do not fit the memory of a group of threads");
        return Err(Error::unsupported(NAME, device, why));
    }
    if problem.lengths.iter().chain([&k]).any(|&extent| i32::try_from(extent).is_err()) {
        return Err(Error::unsupported(NAME, device, "an extent of 2^31 or more"));
    }
    let [n, m] = problem.lengths;
    if n + m == 0 {
        let [out, gates] =
            [(problem.out, n), (DType::F32, m)].map(|(dtype, n)| Tensor::empty(stream, dtype, [n]));
        return Ok(Fused { out: out?, gates: gates? });
    }
    // Where there is none, x stands in its place, unread.
    let (before, weight, gate) = match given.before {
        Before::Nothing => (0, x, x),
        Before::RmsNorm { weight, .. } => (1, weight, x),
        Before::GatedHeads { weight, gate, .. } => (2, weight, gate),
    };
    let (after, plus, cap) = match given.after {
        After::Nothing => (0, x, 0.0),
        After::Plus(plus) => (1, plus, 0.0),
        After::Glu => (2, x, 0.0),
        After::Cap(cap) => (3, x, cap),
    };
    let maps: [&Tensor; 4] = std::array::from_fn(|at| given.maps.get(at).copied().unwrap_or(x));
    let gates: [(&Tensor, &Tensor); 2] =
        std::array::from_fn(|at| given.gates.get(at).copied().unwrap_or((x, x)));
    // The second of a pair goes with the first.
    let maps_that_count = if after == 2 { 1 } else { given.maps.len() };
    let count = |at: usize| if at < maps_that_count { given.maps[at].dims()[0] } else { 0 };
    let gate_count = |at: usize| given.gates.get(at).map_or(0, |(gate, _)| gate.dims()[0]);
    let counts = [count(0), count(1), count(2), count(3), gate_count(0), gate_count(1)];
    let read = maps.iter().copied().chain(gates.iter().map(|gate| gate.0)).chain([x, weight, gate]);
    let whole = (k * dtype.size()).is_multiple_of(RUN) && read.into_iter().all(begins_run);
    let together = if after == 2 { 1 } else { 2 };
    let places: usize = counts.iter().map(|count| count.div_ceil(together)).sum();
    let launch = PROGRAM
        .launch(stream)
        .template("T", dtype)
        .template("O", problem.out)
        .template("BEFORE", before)
        .template("AFTER", after)
        .template("WHOLE", whole)
        .input("x", x)
        .input("weight", weight)
        .input("gate", gate)
        .input("plus", plus)
        .scalar("k", k as i32)
        .scalar("heads", problem.heads as i32)
        .scalar("eps", problem.eps as f32)
        .scalar("cap", cap as f32);
    let launch =
        ["w0", "w1", "w2", "w3"].into_iter().zip(maps).fold(launch, |all, (name, map)| all.input(name, map));
    let launch = launch
        .input("g0", gates[0].0)
        .input("g1", gates[1].0)
        .input("b0", gates[0].1)
        .input("b1", gates[1].1);
    let launch = ["n0", "n1", "n2", "n3", "m0", "m1"]
        .into_iter()
        .zip(counts)
        .fold(launch, |all, (name, count)| all.scalar(name, count as i32));
    let outputs = launch
        .output("out", problem.out, [n])
        .output("gates", DType::F32, [m])
        .threadgroup_bytes(if is_normed { (k * dtype.size()).next_multiple_of(RUN) } else { RUN })
        .grid(Grid::groups([places.div_ceil(SIMDS), 1, 1]), [32 * SIMDS, 1, 1])
        .run()?;
    let [out, gates] = outputs.try_into().expect("two outputs are declared");
    Ok(Fused { out, gates })
}
