//! Evidence for `attention`.

use rayon::prelude::*;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::reference::{self, Sizes};
use super::{Attention, DTYPES, NAME, attention};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::attention::samples::{expected, score_args, tensor, uniform};

static SPEC: Spec = Spec {
    name: NAME,
    family: "attention",
    math: "out_i = sum_j exp(s_ij - lse_i) v_j, s_ij = scale q_i . k_j, lse_i = log sum_j exp(s_ij), over the keys j that i sees",
    inputs: &[
        Slot::new("q", "[b, nh, s, d]"),
        Slot::new("k", "[b, kvh, t, d]"),
        Slot::new("v", "[b, kvh, t, dv]"),
    ],
    outputs: &[Slot::new("out", "[b, nh, s, dv]"), Slot::new("lse", "[b, nh, s]")],
    args: &[
        ArgSpec { name: "causal", default: "false", doc: "no key after a query's place, t - s + i, is seen" },
        ArgSpec { name: "scale", default: "1 / sqrt(d)", doc: "of the products" },
        ArgSpec { name: "soft_cap", default: "0", doc: "of the scores; 0 is none" },
        ArgSpec {
            name: "window",
            default: "0",
            doc: "how many keys a query sees, its own included; 0 is all",
        },
        ArgSpec { name: "keep", default: "0", doc: "how many of the first keys are seen beside the window" },
    ],
    dtypes: DTYPES,
};

/// `attention` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// `b, nh, kvh, s, t, d, dv`
fn case(tier: Tier, [b, nh, kvh, s, t, d, dv]: [usize; 7], dtype: DType) -> Case {
    let dims = [("b", b), ("nh", nh), ("kvh", kvh), ("s", s), ("t", t), ("d", d), ("dv", dv)];
    Case::new(tier, &dims, dtype)
}

fn sizes(case: &Case) -> Result<Sizes> {
    let args = args(&case.args)?;
    let [heads, kv_heads, s, t, d, dv] = ["nh", "kvh", "s", "t", "d", "dv"].map(|name| case.dim(name));
    let Attention { causal, window, keep, .. } = args;
    Ok(Sizes { heads, kv_heads, s, t, d, dv, causal, window, keep })
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let causal = |case: Case| case.set("causal", true);
        let mut cases = vec![
            case(Edge, [1, 1, 1, 1, 1, 1, 1], F32),
            case(Edge, [2, 3, 1, 5, 70, 7, 9], F32),
            causal(case(Edge, [1, 2, 2, 67, 67, 12, 16], F32)),
            causal(case(Edge, [1, 4, 2, 66, 131, 36, 8], F32)).data("peaked"),
            // More queries than keys: the first see nothing.
            causal(case(Edge, [1, 2, 1, 9, 4, 4, 4], F32)),
            causal(case(Edge, [1, 2, 1, 3, 200, 8, 65], F32).set("window", 20i64).set("keep", 3i64)),
            causal(case(Edge, [1, 1, 1, 130, 130, 8, 12], F32).set("window", 33i64)),
            case(Edge, [1, 2, 1, 3, 70, 8, 8], F32).set("soft_cap", 2.5).set("scale", 0.75),
            causal(case(Edge, [1, 2, 1, 6, 40, 16, 24], Bf16)).data("strided"),
            case(Edge, [2, 2, 2, 3, 0, 4, 4], F32),
            case(Edge, [0, 2, 1, 3, 5, 4, 4], F32),
        ];
        for dtype in [F32, F16, Bf16] {
            cases.push(causal(case(Check, [2, 6, 2, 200, 333, 64, 64], dtype)));
            cases.push(case(Check, [1, 3, 3, 129, 515, 80, 96], dtype));
            cases.push(causal(
                case(Check, [1, 4, 1, 300, 300, 128, 128], dtype).set("window", 100i64).set("keep", 4i64),
            ));
            cases.push(
                causal(case(Check, [1, 2, 1, 70, 257, 256, 256], dtype).set("soft_cap", 30.0)).data("peaked"),
            );
            cases.push(causal(case(Check, [1, 2, 1, 130, 130, 33, 17], dtype)).data("strided"));
        }
        cases.push(causal(case(Bench, [1, 8, 2, 2048, 2048, 128, 128], F32)));
        cases.push(causal(case(Bench, [1, 8, 2, 4096, 4096, 128, 128], Bf16)));
        cases.push(case(Bench, [1, 8, 8, 2048, 2048, 64, 64], F16));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [b, nh, kvh, s, t, d, dv] = ["b", "nh", "kvh", "s", "t", "d", "dv"].map(|name| case.dim(name));
        let shapes = [[b, nh, s, d], [b, kvh, t, d], [b, kvh, t, dv]];
        let make = |(part, [b, heads, tokens, d]): (usize, [usize; 4])| {
            let values =
                uniform(case, part as u64, b * heads * tokens * d, if part == 0 { 6.0 } else { 1.0 });
            if case.data == "strided" {
                // Tokens first, as a projection leaves them.
                return tensor(case, &values, &[b, tokens, heads, d])?.permute(&[0, 2, 1, 3]);
            }
            tensor(case, &values, &[b, heads, tokens, d])
        };
        shapes.into_iter().enumerate().map(make).collect()
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let sizes = sizes(case)?;
        let [q, k, v] = [0, 1, 2].map(|at: usize| inputs[at].to_f64_vec());
        let (q, k, v) = (q?, k?, v?);
        let scale = args.scale.map_or(1.0 / (sizes.d as f64).sqrt(), f64::from);
        let cap = f64::from(args.soft_cap);
        let lines = case.dim("b") * sizes.heads;
        let rows = (0..lines * sizes.s)
            .into_par_iter()
            .map(|at| reference::query([&q, &k, &v], &sizes, at / sizes.s, at % sizes.s, scale, cap))
            .collect();
        let shape = [case.dim("b"), sizes.heads, sizes.s, sizes.dv];
        Ok(expected(rows, &shape, case, sizes.d, sizes.t))
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "q", case.dtype, DTYPES)?;
        Ok(vec![only_variant(device)])
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
        let [q, k, v] = inputs else {
            return Err(Error::range(NAME, "inputs", "3 tensors", inputs.len()));
        };
        let read = attention(stream, q, k, v, &args(given)?)?;
        Ok(vec![read.out, read.lse])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, nh, kvh, s, t, d, dv] =
            ["b", "nh", "kvh", "s", "t", "d", "dv"].map(|name| case.dim(name) as f64);
        let causal = args(&case.args).is_ok_and(|args| args.causal);
        // Of a causal square, half.
        let seen = if causal { t - (s - 1.0) / 2.0 } else { t };
        let elements = b * (nh * s * (d + dv) + kvh * t * (d + dv));
        Work { flops: 2.0 * b * nh * s * seen * (d + dv), bytes: elements * case.dtype.size() as f64 }
    }
}

fn args(args: &Args) -> Result<Attention> {
    let (scale, soft_cap) = score_args(args)?;
    let causal = args.bool("causal", false)?;
    Ok(Attention { causal, scale, soft_cap, window: args.size("window", 0)?, keep: args.size("keep", 0)? })
}
