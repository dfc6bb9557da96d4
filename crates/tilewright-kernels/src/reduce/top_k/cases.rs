//! Evidence for `top_k`.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{DTYPES, NAME, TopK, check_key, reference, top_k};
use crate::arguments::{choose, only_variant};
use crate::reduce::data::{self, Along, EDGES};
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "values, positions = the first k of each row by value, then position; NaN last",
    inputs: &[Slot::new("x", "[.., n, ..]")],
    outputs: &[Slot::new("values", "[.., k, ..]"), Slot::new("positions", "[.., k, ..]")],
    args: &[
        ArgSpec { name: "k", default: "1", doc: "how many, from 0 to n" },
        registry::AXIS,
        ArgSpec { name: "largest", default: "true", doc: "the largest, or the smallest" },
        registry::INDEX,
    ],
    dtypes: DTYPES,
};

/// `top_k` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let k = |case: Case, k: usize| case.set("k", k as i64);
        let mut cases = Vec::new();
        for (r, n) in EDGES.into_iter().chain([(0, 5), (3, 0)]) {
            cases.push(k(data::case(Edge, r, n, DType::F32), n.min(7)));
            cases.push(k(data::case(Edge, r, n, DType::F32).data("ties"), n).set("largest", false));
        }
        for data in
            ["equal", "special", "infinite", "masked", "ascending", "descending", "transposed", "padded"]
        {
            for largest in [true, false] {
                cases.push(k(data::case(Edge, 3, 257, DType::F32).data(data), 40).set("largest", largest));
            }
        }
        for (count, data) in [(0, ""), (1, "ties"), (255, "special"), (999, ""), (1000, "special")] {
            cases.push(k(data::case(Edge, 2, 1000, DType::F32).data(data), count));
        }
        cases.push(k(data::case(Edge, 1, 4500, DType::F32), 50));
        cases.push(k(data::case(Edge, 1, 4500, DType::F32).data("masked"), 1500));
        // Rows long enough for their groups to be looked at first; of the last all groups are equal, more than a list holds.
        cases.push(k(data::case(Edge, 2, 8201, DType::F32).data("special"), 50));
        cases.push(k(data::case(Edge, 1, 8448, DType::F32).data("ascending"), 256).set("largest", false));
        cases.push(k(data::case(Edge, 1, 33_792, DType::F32).data("equal"), 3));
        cases.push(k(data::middle(Edge, 3, 37, 5, DType::F32), 4).set("index", "i64"));
        cases.push(k(data::case(Edge, 2, 1000, DType::Bf16).data("special"), 33));
        for dtype in DTYPES {
            cases.push(k(data::case(Check, 7, 5003, *dtype), 50));
            cases.push(k(data::case(Check, 7, 5003, *dtype), 5003).set("largest", false));
            cases.push(k(data::case(Check, 30_000, 3, *dtype), 2));
            cases.push(k(data::middle(Check, 3, 5003, 33, *dtype), 20));
            for (count, data) in
                [(1, ""), (64, "ties"), (257, "equal"), (1024, ""), (1025, ""), (9000, "ties")]
            {
                cases.push(k(data::case(Check, 2, 300_001, *dtype).data(data), count));
            }
            if dtype.is_float() {
                for data in ["special", "masked", "ascending", "descending"] {
                    cases.push(k(data::case(Check, 5, 30_001, *dtype).data(data), 100));
                    cases.push(k(data::case(Check, 5, 30_001, *dtype).data(data), 100).set("largest", false));
                    cases.push(k(data::case(Check, 3, 131_072, *dtype).data(data), 256));
                }
            }
        }
        for r in [1, 32, 256] {
            cases.push(k(data::case(Bench, r, 128_256, DType::F32), 50));
        }
        cases.push(k(data::case(Bench, 64, 128_000, DType::F32), 50));
        cases.push(k(data::case(Bench, 64, 128_000, DType::F32), 1000));
        cases.push(k(data::case(Bench, 4096, 4096, DType::F32), 50));
        cases.push(k(data::case(Bench, 1, 1 << 22, DType::F32), 100_000));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![data::input(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let along = Along::new(case);
        let rows = along.rows(&inputs[0])?;
        let order = reference::top_k(&rows, args.k, args.largest);
        let values: Vec<Vec<f64>> =
            rows.iter().zip(&order).map(|(row, order)| order.iter().map(|&at| row[at]).collect()).collect();
        let positions: Vec<Vec<f64>> =
            order.iter().map(|order| order.iter().map(|&at| at as f64).collect()).collect();
        let shape = Along::shape(case, args.k);
        let value = along.flat(&values);
        // The very elements; but a device may hand on a NaN of another form.
        let tolerance = vec![0.0; value.len()];
        Ok(vec![
            Expected::Values { shape: shape.clone(), dtype: case.dtype, value, tolerance },
            Expected::Exact(Tensor::from_f64(&along.flat(&positions), args.index, shape)?),
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_key(device, case.dtype)?;
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
        let (values, positions) = top_k(stream, registry::one(NAME, inputs)?, &args(given)?)?;
        Ok(vec![values, positions])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = registry::elements(case);
        let kept = elements / case.dim("n").max(1) as f64 * case.args.size("k", 1).map_or(0.0, |k| k as f64);
        let size = case.dtype.size() as f64;
        Work { flops: elements, bytes: elements * size + kept * (size + 4.0) }
    }
}

fn args(args: &Args) -> Result<TopK> {
    Ok(TopK {
        k: args.size("k", 1)?,
        axis: registry::axis(NAME, args)?,
        largest: args.bool("largest", true)?,
        index: registry::index(args)?,
    })
}
