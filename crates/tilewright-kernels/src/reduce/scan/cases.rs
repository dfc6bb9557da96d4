//! Evidence for `scan`.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{DTYPES, NAME, Scan, reference, scan};
use crate::arguments::{choose, only_variant};
use crate::reduce::data::{self, Along, EDGES};
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "out[.., j, ..] = sum over l <= j of x[.., l, ..]",
    inputs: &[Slot::new("x", "[.., n, ..]")],
    outputs: &[Slot::new("out", "[.., n, ..]")],
    args: &[
        registry::AXIS,
        ArgSpec { name: "exclusive", default: "false", doc: "whether an element's own term is left out" },
        ArgSpec { name: "reverse", default: "false", doc: "whether the sums run from the end" },
    ],
    dtypes: DTYPES,
};

/// `scan` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// Additions between a term and an element, at most. The CPU: 4 within a chunk, 64 chunks in a leaf, the carry with its own two roundings, and the last
/// sum. The GPU, per level of 2^12 elements: 3 + 5 + 4 + 8 + 2 in the scan and 24 in the sums of the parts. 72 covers each.
fn depth(n: usize) -> f64 {
    72.0 * ((n.max(2) as f64).log2() / 12.0).ceil()
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let modes = [(false, false), (false, true), (true, false), (true, true)];
        let mode = |case: Case, (exclusive, reverse)| {
            let case = if exclusive { case.set("exclusive", true) } else { case };
            if reverse { case.set("reverse", true) } else { case }
        };
        let mut cases = Vec::new();
        for (r, n) in EDGES.into_iter().chain([(3, 0), (0, 5)]) {
            cases.push(data::case(Edge, r, n, DType::F32));
        }
        for some in modes {
            for (r, n, data) in
                [(3, 33, ""), (2, 1000, "cancelling"), (2, 515, "transposed"), (1, 4100, "padded")]
            {
                cases.push(mode(data::case(Edge, r, n, DType::F32).data(data), some));
            }
            cases.push(mode(data::case(Edge, 3, 21, DType::F32).data("special"), some));
            cases.push(mode(data::middle(Edge, 3, 37, 5, DType::F32), some));
        }
        cases.push(data::case(Edge, 3, 1000, DType::Bf16));
        cases.push(data::case(Edge, 2, 5000, DType::I32).set("reverse", true));
        for dtype in DTYPES {
            for some in modes {
                cases.push(mode(
                    data::case(Check, 2, 300_001, *dtype).data(if *dtype == DType::F16 {
                        "ties"
                    } else {
                        ""
                    }),
                    some,
                ));
                cases.push(mode(data::case(Check, 33, 40_000, *dtype).data("ties"), some));
            }
            cases.push(data::case(Check, 30_000, 3, *dtype));
            cases.push(data::middle(Check, 3, 5003, 33, *dtype));
        }
        for (r, n) in [(64, 128_000), (4096, 4096), (1, 1 << 26)] {
            cases.push(data::case(Bench, r, n, DType::F32));
        }
        cases.push(data::case(Bench, 4096, 4096, DType::Bf16));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![data::input(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (along, dtype) = (Along::new(case), case.dtype);
        let shape = Along::shape(case, case.dim("n"));
        let truth = along.flat(&reference::scan(&along.rows(&inputs[0])?, &args(&case.args)?));
        if !dtype.is_float() {
            // Exact in f64 below 2^53; then modulo the range.
            let whole = truth.iter().map(|(sum, _)| *sum as i64);
            return Ok(vec![Expected::Exact(registry::wrapped(whole, dtype, &shape)?)]);
        }
        let accumulator = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        Ok(vec![Expected::values(&shape, dtype, accumulator, depth(case.dim("n")), truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        registry::variants(NAME, device, case.dtype, DTYPES)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        Ok(vec![scan(stream, registry::one(NAME, inputs)?, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = registry::elements(case);
        Work { flops: elements, bytes: 2.0 * elements * case.dtype.size() as f64 }
    }
}

fn args(args: &Args) -> Result<Scan> {
    Ok(Scan {
        axis: registry::axis(NAME, args)?,
        exclusive: args.bool("exclusive", false)?,
        reverse: args.bool("reverse", false)?,
    })
}
