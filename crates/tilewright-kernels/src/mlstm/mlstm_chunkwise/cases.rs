//! Evidence. The truth is that of `mlstm_sequence`: every product of matrices within a chunk adds up in any order, hence as many more roundings.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Spec, Stream, Tensor, Tier, Work,
};

use super::reference;
use super::{MlstmChunkwise, NAME, run, support};
use crate::mlstm::cell::{DTYPES, accumulator};
use crate::mlstm::mlstm_sequence::cases::edges;
use crate::mlstm::mlstm_sequence::reference::{Numbers, Truth};
use crate::mlstm::{registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

const ARGS: &[ArgSpec] = &[
    registry::INPUT_GATE,
    registry::NORMALIZE,
    registry::EPS,
    registry::SCALE,
    registry::GATE_CAP,
    registry::CHUNK,
    registry::TILE,
];

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "mlstm_sequence, a chunk at a time: h = (B q C + S v) / N with S_tj = q_t . k_j exp(D_tj - m_t)",
    inputs: registry::INPUTS,
    outputs: registry::OUTPUTS,
    args: ARGS,
    dtypes: DTYPES,
};

fn args(args: &Args) -> Result<MlstmChunkwise> {
    Ok(MlstmChunkwise {
        cell: registry::cell(args)?,
        chunk: registry::chunk(args)?,
        tile: registry::tile(args)?,
    })
}

fn truth(case: &Case, inputs: &[Tensor]) -> Result<Truth> {
    let (args, sums) = (args(&case.args)?, accumulator(case.dtype));
    let chunk = args.chunk.unwrap_or(registry::LONGEST_CHUNK);
    Ok(reference::mlstm_chunkwise(&Numbers::new(inputs)?, &args.cell, chunk, case.dtype, sums))
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = edges().into_iter().map(|case| case.set("chunk", 4)).collect();
        let f32 = |tier, sizes| registry::case(tier, sizes, DType::F32);
        let edge = |sizes| f32(Tier::Edge, sizes);
        cases.extend([
            // One token a chunk; one chunk, which is longer than the sequence; the device's own choice.
            edge([1, 2, 5, 3, 4]).set("chunk", 1).data("state"),
            edge([1, 2, 5, 3, 4]).set("chunk", 100).data("state"),
            edge([1, 1, 70, 3, 4]).data("state"),
            // Longer than a pass of the scan: in two spans.
            edge([1, 1, 2100, 1, 1]).data("state"),
            // Around the edges of the tiles of 32 keys, 64 queries, 64 rows and 64 columns.
            edge([1, 1, 33, 33, 65]).set("chunk", 32).data("gated"),
            edge([1, 1, 67, 65, 5]).set("chunk", 65).data("state"),
            edge([1, 1, 130, 4, 3]).set("chunk", 64).data("forgetful"),
        ]);
        // Either tile of the portable body: around its edges, less than one, in several blocks of a chunk.
        for tile in [32, 64] {
            cases.extend([
                edge([1, 2, 67, 33, 35]).set("chunk", 33).set("tile", tile).data("gated"),
                edge([2, 1, 40, 65, 5]).set("tile", tile).data("state"),
                edge([1, 1, 70, 4, 66]).set("chunk", 66).set("tile", tile).set("normalize", false),
            ]);
        }
        let check = |sizes, dtype| registry::case(Tier::Check, sizes, dtype);
        for (chunk, data) in
            [(16, "state"), (64, "gated"), (100, "strided"), (128, "wide"), (500, "forgetful")]
        {
            cases.push(check([2, 3, 333, 40, 72], DType::F32).set("chunk", chunk).data(data));
            cases.push(check([1, 2, 333, 64, 128], DType::Bf16).set("chunk", chunk).data(data));
            // The device's own chunks: every shape of the matrix units' tiles, parts of them, and segments where sequences are few.
            for sizes in
                [[1, 2, 333, 128, 256], [1, 2, 1030, 64, 128], [1, 1, 200, 256, 512], [1, 3, 600, 40, 72]]
            {
                cases.push(check(sizes, DType::Bf16).data(data));
            }
        }
        for tile in [32, 64] {
            cases.push(
                check([2, 3, 333, 40, 72], DType::F32).set("chunk", 100).set("tile", tile).data("wide"),
            );
            cases.push(check([1, 2, 333, 64, 128], DType::Bf16).set("tile", tile).data("strided"));
        }
        cases.extend([
            check([2, 2, 300, 128, 256], DType::Bf16),
            check([2, 2, 300, 128, 256], DType::Bf16).set("normalize", false).data("state"),
            check([2, 2, 700, 128, 256], DType::Bf16).set("input_gate", "sigmoid").data("state"),
            check([2, 2, 300, 136, 8], DType::Bf16).set("scale", -0.7).set("gate_cap", 15).data("wide"),
            check([1, 2, 700, 72, 264], DType::Bf16).data("masked"),
        ]);
        cases.extend([
            check([1, 2, 1000, 64, 128], DType::F16).data("gated"),
            check([1, 2, 1000, 16, 32], DType::F64).data("gated"),
            // Sequences in several spans of the scan, and one with several passes.
            check([1, 2, 5000, 8, 8], DType::F32).data("state"),
            check([1, 1, 70_000, 4, 4], DType::F32).data("gated"),
            check([2, 33, 2500, 2, 2], DType::F32).data("wide"),
        ]);
        let bench = |sizes, dtype| registry::case(Tier::Bench, sizes, dtype);
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
        samples::inputs(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        registry::expected(case, || truth(case, inputs))
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        registry::residuals(NAME, case, inputs, outputs, false, |alone| Ok(truth(case, alone)?.outputs()))
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
        let (x, state) = registry::inputs(NAME, inputs)?;
        let (h, state) = run(stream, variant, &x, state.as_ref(), &args(given)?)?;
        Ok(vec![h, state.c, state.n, state.m])
    }

    fn work(&self, case: &Case) -> Work {
        // Scores and values for half a chunk, the state read and written once.
        let chunk = registry::chunk(&case.args).ok().flatten().unwrap_or(registry::LONGEST_CHUNK);
        let sizes = registry::sizes(case);
        let (dqk, dv) = (sizes.dqk as f64, sizes.dv as f64);
        registry::work(case, chunk as f64 * (dqk + dv) + 4.0 * dqk * dv)
    }
}
