//! Evidence. The truth goes over all pairs of tokens and carries its error bounds, see `reference.rs`; `check` adds the last rounding.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::reference::{self, Form, Loss};
use super::{MlstmBackward, MlstmChunkwiseBw, MlstmLoss, NAME, run, support};
use crate::mlstm::cell::{DTYPES, accumulator};
use crate::mlstm::mlstm_sequence::reference::{Numbers, rounded_factors};
use crate::mlstm::{MlstmInputs, MlstmState, registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

pub(in crate::mlstm) const MODE: ArgSpec =
    ArgSpec { name: "mode", default: "exact", doc: "exact, or norm_invariant: denominators held constant" };

const ARGS: &[ArgSpec] = &[
    registry::INPUT_GATE,
    registry::NORMALIZE,
    registry::EPS,
    registry::SCALE,
    registry::GATE_CAP,
    registry::CHUNK,
    registry::TILE,
    MODE,
];

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "the gradients of mlstm_chunkwise by q k v i f C n m and o, given those by h and by C and n after the last token",
    inputs: &[
        Slot::new("q", "[b, nh, s, dqk]"),
        Slot::new("k", "[b, nh, s, dqk]"),
        Slot::new("v", "[b, nh, s, dv]"),
        Slot::new("i", "[b, nh, s]"),
        Slot::new("f", "[b, nh, s]"),
        Slot::new("dh", "[b, nh, s, dv]"),
        Slot::optional("c", "[b, nh, dqk, dv]"),
        Slot::optional("n", "[b, nh, dqk]"),
        Slot::optional("m", "[b, nh]"),
        Slot::optional("dc_last", "[b, nh, dqk, dv]"),
        Slot::optional("dn_last", "[b, nh, dqk]"),
        Slot::optional("o", "[b, nh, s, dv]"),
    ],
    outputs: &[
        Slot::new("dq", "[b, nh, s, dqk]"),
        Slot::new("dk", "[b, nh, s, dqk]"),
        Slot::new("dv", "[b, nh, s, dv]"),
        Slot::new("di", "[b, nh, s]"),
        Slot::new("df", "[b, nh, s]"),
        Slot::new("dc", "[b, nh, dqk, dv]"),
        Slot::new("dn", "[b, nh, dqk]"),
        Slot::new("dm", "[b, nh]"),
        Slot::optional("do", "[b, nh, s, dv]"),
    ],
    args: ARGS,
    dtypes: DTYPES,
};

/// The most tokens that any form's sums of df go back over by itself.
const LONGEST_RUN: usize = 256;

/// The argument `mode`.
pub(in crate::mlstm) fn mode(args: &Args) -> Result<MlstmBackward> {
    match args.text("mode", "exact")? {
        "exact" => Ok(MlstmBackward::Exact),
        "norm_invariant" => Ok(MlstmBackward::NormInvariant),
        other => Err(Error::range(NAME, "mode", "exact or norm_invariant", other)),
    }
}

fn args(args: &Args) -> Result<MlstmChunkwiseBw> {
    let (chunk, tile) = (registry::chunk(args)?, registry::tile(args)?);
    Ok(MlstmChunkwiseBw { cell: registry::cell(args)?, chunk, tile, mode: mode(args)? })
}

/// The inputs as the truth takes them.
pub(in crate::mlstm) fn numbers(inputs: &[Tensor]) -> Result<(Numbers, Loss)> {
    let forward: Vec<Tensor> = inputs[..5].iter().chain(inputs.get(6..9).unwrap_or(&[])).cloned().collect();
    let x = Numbers::new(&forward)?;
    let last = |index: usize, like: &[f64]| match inputs.get(index) {
        Some(tensor) => tensor.to_f64_vec(),
        None => Ok(vec![0.0; like.len()]),
    };
    let loss = Loss { h: inputs[5].to_f64_vec()?, c: last(9, &x.c)?, n: last(10, &x.n)? };
    Ok((x, loss))
}

/// The output gates of a case, which come last.
pub(in crate::mlstm) fn output_gate(case: &Case, inputs: &[Tensor]) -> Result<Option<Vec<f64>>> {
    (case.data == "gated").then(|| inputs[inputs.len() - 1].to_f64_vec()).transpose()
}

fn truth(case: &Case, inputs: &[Tensor]) -> Result<Vec<Vec<(f64, f64)>>> {
    let args = args(&case.args)?;
    let (x, mut loss) = numbers(inputs)?;
    let (sums, exact) = (accumulator(case.dtype), args.mode == MlstmBackward::Exact);
    let rounds = case.dtype == DType::Bf16;
    let mut form = Form {
        chunk: args.chunk.unwrap_or(registry::LONGEST_CHUNK),
        run: args.chunk.unwrap_or(if rounds { LONGEST_RUN } else { registry::LONGEST_CHUNK }),
        // bf16 has the range of f32, so that factors may be rounded to it.
        factor: if rounds { case.dtype.unit_roundoff() / sums.unit_roundoff() } else { 0.0 },
        gate: 0.0,
        // What is left out is far below the roundings of what is not, where the gates are such that long sequences have them.
        least: if registry::is_sampled(case) { f64::EPSILON.powi(2) } else { 0.0 },
    };
    let by_o = output_gate(case, inputs)?.map(|o| {
        let h = rounded_factors(&x, &args.cell, form.chunk.min(x.s) as f64, form.factor, sums).h;
        let stored = case.dtype.unit_roundoff() / sums.unit_roundoff();
        form.gate = reference::gate_error(stored);
        let (dh, by_o) = reference::gated(&loss.h, &o, &h, stored);
        loss.h = dh;
        by_o
    });
    let by = reference::mlstm_chunkwise_bw(&x, &loss, &args.cell, exact, form, sums);
    Ok(by.into_iter().chain(by_o).collect())
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case = |tier, sizes, dtype| registry::case(tier, sizes, dtype);
        let edge = |sizes| case(Tier::Edge, sizes, DType::F32).set("chunk", 4);
        let mut cases = vec![
            edge([1, 1, 5, 2, 3]).data("vector"),
            edge([1, 1, 5, 2, 3]).data("vector_state"),
            edge([1, 1, 5, 2, 3]).set("mode", "norm_invariant").data("vector_state"),
            edge([1, 1, 1, 1, 1]),
            edge([2, 3, 7, 5, 9]).data("strided"),
            edge([1, 2, 9, 33, 13]).set("scale", 0.7).set("eps", 0.0).data("state"),
            edge([1, 2, 9, 6, 5]).set("normalize", false).data("state"),
            edge([1, 2, 9, 6, 5]).set("input_gate", "sigmoid").data("state"),
            edge([1, 2, 9, 6, 5]).set("input_gate", "sigmoid").set("normalize", false),
            edge([2, 1, 9, 7, 10]).set("gate_cap", 3).data("state"),
            edge([2, 1, 13, 7, 10]).data("wide"),
            edge([1, 3, 10, 4, 6]).data("masked"),
            edge([2, 1, 9, 3, 7]).data("gated"),
            edge([1, 2, 11, 6, 5]).set("mode", "norm_invariant").data("gated"),
            edge([1, 2, 9, 6, 35]).set("normalize", false).data("gated"),
            edge([1, 2, 7, 0, 5]).data("gated"),
            edge([1, 2, 7, 5, 0]).data("gated"),
            edge([2, 2, 0, 4, 5]).data("gated"),
            case(Tier::Edge, [1, 2, 6, 12, 20], DType::Bf16).set("chunk", 4).data("gated"),
            case(Tier::Edge, [1, 2, 13, 5, 9], DType::F16).set("chunk", 8).data("gated"),
            edge([1, 2, 19, 5, 7]).data("forgetful"),
            case(Tier::Edge, [2, 2, 6, 12, 20], DType::Bf16).set("chunk", 4).data("state"),
            case(Tier::Edge, [2, 2, 6, 5, 3], DType::F64).set("chunk", 4).data("state"),
            edge([0, 2, 3, 4, 5]),
            edge([2, 2, 0, 4, 5]).data("state"),
            edge([1, 2, 3, 0, 5]).data("state"),
            edge([1, 2, 3, 4, 0]).data("state"),
            edge([1, 2, 5, 3, 4]).set("chunk", 1).data("state"),
            edge([1, 2, 5, 3, 4]).set("chunk", 100).data("state"),
            case(Tier::Edge, [1, 1, 70, 3, 4], DType::F32).data("state"),
            edge([1, 1, 33, 33, 65]).set("chunk", 32).data("state"),
        ];
        // Either tile of the portable body: around its edges, and parts of it alone.
        for tile in [32, 64] {
            cases.push(edge([1, 1, 40, 33, 34]).set("chunk", 33).set("tile", tile).data("gated"));
            cases.push(edge([1, 2, 13, 5, 66]).set("tile", tile).data("state"));
            let tiled = case(Tier::Check, [2, 2, 133, 40, 72], DType::F32).set("chunk", 64).set("tile", tile);
            cases.push(tiled.data("gated"));
        }
        for (chunk, data) in [(16, "state"), (64, "strided"), (100, "forgetful"), (200, "state")] {
            cases.push(case(Tier::Check, [2, 2, 133, 20, 36], DType::F32).set("chunk", chunk).data(data));
            cases.push(case(Tier::Check, [1, 2, 133, 32, 64], DType::Bf16).set("chunk", chunk).data(data));
        }
        cases.push(case(Tier::Check, [1, 2, 133, 16, 32], DType::F64).data("state"));
        cases.push(case(Tier::Check, [1, 2, 133, 16, 32], DType::F64).data("gated"));
        cases.push(case(Tier::Check, [1, 2, 133, 16, 32], DType::F16).data("strided"));
        // The device's own chunks: whole and partial tiles of the matrix units, several intervals, and every kind of cell.
        let units = |sizes, data| case(Tier::Check, sizes, DType::Bf16).data(data);
        cases.extend([
            units([1, 2, 64, 128, 256], ""),
            units([1, 2, 333, 128, 256], "state"),
            units([1, 1, 530, 40, 72], "state"),
            units([1, 3, 200, 64, 128], "masked"),
            units([1, 1, 150, 128, 136], "forgetful"),
            units([1, 2, 150, 72, 128], "wide").set("gate_cap", 15),
            units([1, 2, 130, 64, 256], "state").set("input_gate", "sigmoid"),
            units([1, 2, 130, 128, 64], "state").set("normalize", false).set("scale", -0.07),
            units([1, 2, 130, 128, 128], "state").set("mode", "norm_invariant"),
            units([1, 2, 100, 128, 256], "strided"),
            units([2, 2, 130, 128, 256], "gated"),
            units([1, 2, 77, 64, 136], "gated").set("mode", "norm_invariant"),
            // Few sequences, which are cut into segments.
            units([1, 2, 1300, 16, 32], "state"),
            units([1, 1, 2100, 8, 16], "").set("input_gate", "sigmoid"),
        ]);
        let bench = |sizes, dtype| case(Tier::Bench, sizes, dtype);
        cases.push(bench([1, 4, 2048, 64, 128], DType::F32));
        for (b, s) in [(128, 512), (8, 8192), (1, 65536)] {
            cases.push(bench([b, 16, s, 128, 256], DType::Bf16));
        }
        // Undivided, as the authors' kernels for this gate are.
        let sigmoid = bench([8, 16, 8192, 128, 256], DType::Bf16).set("input_gate", "sigmoid");
        cases.push(sigmoid.set("normalize", false));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        samples::with_loss(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (sizes, sums) = (registry::sizes(case), accumulator(case.dtype));
        let shapes: [(&[usize], DType); 9] = [
            (&sizes.keys(), case.dtype),
            (&sizes.keys(), case.dtype),
            (&sizes.values(), case.dtype),
            (&sizes.gates(), sums),
            (&sizes.gates(), sums),
            (&sizes.c(), sums),
            (&sizes.n(), sums),
            (&sizes.m(), sums),
            (&sizes.values(), case.dtype),
        ];
        let gated = case.data == "gated";
        let absent = (!gated).then_some(Expected::Absent);
        if registry::is_sampled(case) {
            let free = |&(shape, dtype): &(&[usize], DType)| Expected::Free { shape: shape.to_vec(), dtype };
            return Ok(shapes[..8 + usize::from(gated)].iter().map(free).chain(absent).collect());
        }
        let values = |((shape, dtype), truth)| Expected::values(shape, dtype, sums, 1.0, truth);
        Ok(shapes.into_iter().zip(truth(case, inputs)?).map(values).chain(absent).collect())
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        registry::residuals(NAME, case, inputs, outputs, true, |alone| truth(case, alone))
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        support(device, &registry::sizes(case), case.dtype, &args(&case.args)?)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        let wrong =
            || Error::range(NAME, "inputs", "q k v i f dh, c n m, dc_last dn_last, then o", inputs.len());
        let ([q, k, v, i, f, dh], rest) = inputs.split_first_chunk().ok_or_else(wrong)?;
        // c n m are three, dc_last dn_last two more: what is left over is o.
        let (rest, o) = match rest.len() {
            1 | 4 | 6 => (&rest[..rest.len() - 1], rest.last()),
            _ => (rest, None),
        };
        let (state, last) = match rest {
            [] => (None, [None; 2]),
            [c, n, m] => (Some([c, n, m]), [None; 2]),
            [c, n, m, dc, dn] => (Some([c, n, m]), [Some(dc), Some(dn)]),
            _ => return Err(wrong()),
        };
        let x = MlstmInputs { q, k, v, i, f, o };
        let state = state.map(|[c, n, m]| MlstmState { c: c.clone(), n: n.clone(), m: m.clone() });
        let loss = MlstmLoss { h: dh, c: last[0], n: last[1] };
        let by = run(stream, variant, &x, state.as_ref(), &loss, &args(given)?)?;
        let all = [by.q, by.k, by.v, by.i, by.f, by.state.c, by.state.n, by.state.m];
        Ok(all.into_iter().chain(by.o).collect())
    }

    fn work(&self, case: &Case) -> Work {
        // Five products of scores for half a chunk, and five with the state or its gradient, beside the state itself.
        let sizes = registry::sizes(case);
        let chunk = registry::chunk(&case.args).ok().flatten().unwrap_or(registry::LONGEST_CHUNK) as f64;
        let (dqk, dv) = (sizes.dqk as f64, sizes.dv as f64);
        let forward = registry::work(case, chunk * (3.0 * dqk + 2.0 * dv) + 12.0 * dqk * dv);
        Work { bytes: 2.0 * forward.bytes, ..forward }
    }
}
