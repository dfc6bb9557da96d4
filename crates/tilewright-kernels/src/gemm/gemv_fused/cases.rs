//! What the fused maps are judged and timed on.
//!
//! Tolerance: an error analysis of each step, carried to the next (`reference.rs`).

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::product::{DTYPES, accumulator, optional};
use super::super::samples::Samples;
use super::reference::{Near, Roundoff, capped, gated, glu, mapped, normed};
use super::{After, Before, FusedMaps, NAME, gemv_fused, variants};
use crate::arguments::choose;

/// [`gemv_fused()`](super::gemv_fused()) as the registry sees it.
pub static KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "gemm",
    math: "out = after(W before(x)), gates = G before(x) + b",
    inputs: &[
        Slot::new("x", "[k]"),
        Slot::new("weight", "[k]"),
        Slot::new("gate", "[k]"),
        Slot::new("plus", "[n]"),
        Slot::new("w", "[n, k]"),
        Slot::optional("w2", "[n2, k]"),
        Slot::optional("w3", "[n3, k]"),
        Slot::optional("w4", "[n4, k]"),
        Slot::optional("g", "[m, k]"),
        Slot::optional("b", "[m]"),
        Slot::optional("g2", "[m2, k]"),
        Slot::optional("b2", "[m2]"),
    ],
    outputs: &[Slot::new("out", "[n + n2 + ..]"), Slot::new("gates", "[m + m2]")],
    args: &[
        ArgSpec {
            name: "before",
            default: "nothing",
            doc: "nothing, rms_norm (by weight), gated_heads (by weight and gate)",
        },
        ArgSpec { name: "heads", default: "1", doc: "heads that gated_heads norms each by itself" },
        ArgSpec { name: "eps", default: "1e-6", doc: "added to the mean square" },
        ArgSpec { name: "after", default: "nothing", doc: "nothing, plus, glu, cap" },
        ArgSpec { name: "cap", default: "30", doc: "what cap limits to" },
        ArgSpec {
            name: "gates",
            default: "0",
            doc: "how many pairs of a map and a bias come after the maps: 0 to 2",
        },
        ArgSpec { name: "out_dtype", default: "auto", doc: "f32, f16, bf16 (f64 for f64); auto: that of x" },
    ],
    dtypes: DTYPES,
};

/// The arguments that are no tensors.
struct Given {
    before: String,
    after: String,
    heads: usize,
    eps: f64,
    cap: f64,
    gates: usize,
    out_dtype: Option<DType>,
}

impl Given {
    fn new(args: &Args) -> Result<Self> {
        let given = Given {
            before: args.text("before", "nothing")?.to_owned(),
            after: args.text("after", "nothing")?.to_owned(),
            heads: args.size("heads", 1)?,
            eps: args.float("eps", 1e-6)?,
            cap: args.float("cap", 30.0)?,
            gates: args.size("gates", 0)?,
            out_dtype: optional(args, "out_dtype")?,
        };
        if !["nothing", "rms_norm", "gated_heads"].contains(&given.before.as_str()) {
            return Err(Error::range(NAME, "before", "nothing, rms_norm or gated_heads", given.before));
        }
        if !["nothing", "plus", "glu", "cap"].contains(&given.after.as_str()) {
            return Err(Error::range(NAME, "after", "nothing, plus, glu or cap", given.after));
        }
        Ok(given)
    }
}

/// k, n of the first map (each other has one more, of a pair as many), the number of maps, and m of the first of two gates, where it is not 0.
fn case(tier: Tier, [k, n, maps, m]: [usize; 4], dtype: DType) -> Case {
    let case = Case::new(tier, &[("k", k), ("n", n), ("maps", maps), ("m", m)], dtype);
    if m > 0 { case.set("gates", 2) } else { case }
}

/// The rows of each map, and of each gate.
fn rows(case: &Case) -> Result<(Vec<usize>, Vec<usize>)> {
    let given = Given::new(&case.args)?;
    let step = usize::from(given.after != "glu");
    let maps = (0..case.dim("maps")).map(|at| case.dim("n") + at * step).collect();
    Ok((maps, (0..given.gates).map(|at| case.dim("m") + at).collect()))
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let edge = |sizes, dtype| case(Tier::Edge, sizes, dtype);
        let f32 = |sizes| edge(sizes, DType::F32);
        let mut cases = vec![
            f32([1, 1, 1, 0]),
            f32([36, 5, 4, 3]).set("before", "rms_norm"),
            f32([36, 5, 4, 3]).set("before", "rms_norm").data("strided"),
            f32([30, 7, 1, 0]).set("before", "gated_heads").set("heads", 3).set("after", "plus"),
            f32([520, 9, 2, 0]).set("before", "rms_norm").set("after", "glu"),
            f32([33, 18, 1, 0]).set("after", "cap").set("cap", 0.5),
            edge([264, 9, 3, 2], DType::Bf16).set("before", "rms_norm"),
            edge([48, 17, 1, 0], DType::Bf16)
                .set("before", "gated_heads")
                .set("heads", 2)
                .set("after", "plus"),
            edge([40, 6, 2, 0], DType::F16).set("before", "rms_norm").set("after", "glu"),
            edge([40, 6, 1, 0], DType::Bf16)
                .set("before", "rms_norm")
                .set("after", "cap")
                .set("out_dtype", "f32"),
            edge([15, 4, 2, 2], DType::F64).set("before", "gated_heads").set("heads", 5).set("eps", 0.01),
            f32([0, 3, 1, 2]),
            f32([4, 0, 1, 0]),
        ];
        for dtype in [DType::F32, DType::Bf16, DType::F16, DType::F64] {
            let check = |sizes| case(Tier::Check, sizes, dtype);
            cases.extend([
                check([1024, 515, 4, 8]).set("before", "rms_norm"),
                check([1000, 301, 1, 0]).set("before", "gated_heads").set("heads", 4).set("after", "plus"),
                check([2051, 129, 2, 0]).set("before", "rms_norm").set("after", "glu"),
                check([10_944, 64, 1, 0]).set("after", "plus"),
            ]);
        }
        // The four of an xLSTM-7B's block.
        let bench = |sizes| case(Tier::Bench, sizes, DType::Bf16);
        cases.extend([
            bench([4096, 3072, 4, 8]).set("before", "rms_norm"),
            bench([4096, 4096, 1, 0]).set("before", "gated_heads").set("heads", 8).set("after", "plus"),
            bench([4096, 10_944, 2, 0]).set("before", "rms_norm").set("after", "glu"),
            bench([10_944, 4096, 1, 0]).set("after", "plus"),
        ]);
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (maps, gates) = rows(case)?;
        let (k, mut samples) = (case.dim("k"), Samples::new(case));
        let mut one = |shape: &[usize]| samples.tensor(case.dtype, shape);
        let mut all = vec![one(&[k])?, one(&[k])?, one(&[k])?, one(&[maps.iter().sum()])?];
        for rows in maps {
            all.push(one(&[rows, k])?);
        }
        for rows in gates {
            all.extend([one(&[rows, k])?, one(&[rows])?]);
        }
        Ok(all)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let given = Given::new(&case.args)?;
        let (maps, gates) = rows(case)?;
        let sums = accumulator(case.dtype);
        let u = Roundoff { stored: case.dtype.unit_roundoff(), sums: sums.unit_roundoff() };
        let values = inputs.iter().map(Tensor::to_f64_vec).collect::<Result<Vec<_>>>()?;
        let x = &values[0];
        let eps = if case.dtype == DType::F64 { given.eps } else { f64::from(given.eps as f32) };
        let z = match given.before.as_str() {
            "rms_norm" => normed(x, &values[1], 1, false, eps, u),
            "gated_heads" => {
                let mut z = normed(x, &values[1], given.heads, true, eps, u);
                gated(&mut z, &values[2], u);
                z
            }
            _ => x.iter().map(|&value| Near { value, error: 0.0 }).collect(),
        };
        // Maps of no terms have rows too.
        let map = |at: usize, rows: usize| match z.len() {
            0 => vec![Near { value: 0.0, error: 0.0 }; rows],
            _ => mapped(&values[at], &z, u),
        };
        let products: Vec<Vec<Near>> = maps.iter().enumerate().map(|(at, &rows)| map(4 + at, rows)).collect();
        let out: Vec<Near> = match given.after.as_str() {
            "plus" => {
                let both = products.concat().into_iter().zip(&values[3]);
                both.map(|(y, plus)| {
                    let value = y.value + plus;
                    Near { value, error: y.error + u.sums * value.abs() }
                })
                .collect()
            }
            "glu" => products[0].iter().zip(&products[1]).map(|(&a, &b)| glu(a, b, u)).collect(),
            "cap" => products.concat().into_iter().map(|y| capped(y, given.cap, u)).collect(),
            _ => products.concat(),
        };
        let first = 4 + maps.len();
        let mut gated_out = Vec::new();
        for (at, &rows) in gates.iter().enumerate() {
            let bias = &values[first + 2 * at + 1];
            gated_out.extend(map(first + 2 * at, rows).iter().zip(bias).map(|(y, bias)| {
                let value = y.value + bias;
                Near { value, error: y.error + u.sums * value.abs() }
            }));
        }
        let expected = |all: Vec<Near>, dtype| {
            let shape = [all.len()];
            let truth = all.into_iter().map(|near| (near.value, near.error / u.sums));
            Expected::values(&shape, dtype, sums, 1.0, truth)
        };
        Ok(vec![expected(out, given.out_dtype.unwrap_or(case.dtype)), expected(gated_out, sums)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let given = Given::new(args)?;
        let wrong = || Error::range(NAME, "inputs", "x weight gate plus, the maps, the gates", inputs.len());
        let [x, weight, gate, plus, rest @ ..] = inputs else { return Err(wrong()) };
        let maps = rest.len().checked_sub(2 * given.gates).ok_or_else(wrong)?;
        choose(NAME, variant, &variants(stream.device(), x.dtype())?)?;
        let by_heads;
        let before = match given.before.as_str() {
            "rms_norm" => Before::RmsNorm { weight, eps: given.eps },
            "gated_heads" => {
                if given.heads == 0 || !weight.elements().is_multiple_of(given.heads) {
                    return Err(Error::range(NAME, "heads", "a divisor of k", given.heads));
                }
                by_heads = weight.reshape([given.heads, weight.elements() / given.heads])?;
                Before::GatedHeads { weight: &by_heads, gate, eps: given.eps }
            }
            _ => Before::Nothing,
        };
        let after = match given.after.as_str() {
            "plus" => After::Plus(plus),
            "glu" => After::Glu,
            "cap" => After::Cap(given.cap),
            _ => After::Nothing,
        };
        let gates: Vec<(&Tensor, &Tensor)> =
            rest[maps..].chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect();
        let maps: Vec<&Tensor> = rest[..maps].iter().collect();
        let fused = FusedMaps { x, before, maps: &maps, gates: &gates, after, out_dtype: given.out_dtype };
        let made = gemv_fused(stream, &fused)?;
        Ok(vec![made.out, made.gates])
    }

    fn work(&self, case: &Case) -> Work {
        let Ok((maps, gates)) = rows(case) else { return Work { flops: 0.0, bytes: 0.0 } };
        let (k, n, m) =
            (case.dim("k") as f64, maps.iter().sum::<usize>() as f64, gates.iter().sum::<usize>() as f64);
        Work { flops: 2.0 * k * (n + m), bytes: case.dtype.size() as f64 * (k * (n + m + 1.0) + n) + 4.0 * m }
    }
}
