//! Evidence that the norms share: cases, inputs, tolerances.
//!
//! Tolerance, in unit roundoffs of f32 times the magnitudes of `truth.rs`: a sum over a row adds up n / 32 terms in each of 32 lanes or more, those in 5
//! steps, and the sums of 8 SIMD groups; twice, since the mean precedes the mean square; 16 for the single operations. The gradient of the weights adds
//! up to `block` tokens, and then the blocks. A gate before a gradient is 16 more: two exponentials of 4, sums, a square, quotients, products.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Spec, Stream, Tensor, Tier, Work,
};

use super::rows::{Kind, Norm, NormGradients, block, variants};
use super::truth::through;
use crate::arguments::choose;

pub(super) const EPS: ArgSpec =
    ArgSpec { name: "eps", default: "1e-6", doc: "added to the mean square; finite and >= 0" };

/// Value and magnitude of each element.
type Truth = Vec<(f64, f64)>;
/// By dy, x, weights, gate, n and eps.
type BackwardTruth = fn(&[f64], &[f64], &[f64], Option<&[f64]>, usize, f64) -> Vec<Truth>;
type BackwardRun = fn(&Stream, &Tensor, &Tensor, &Tensor, Option<&Tensor>, &Norm) -> Result<NormGradients>;

/// What tells the kernels of the family apart.
pub(super) enum Which {
    Forward {
        run: fn(&Stream, &Tensor, &Tensor, Option<&Tensor>, &Norm) -> Result<Tensor>,
        truth: fn(&[f64], &[f64], usize, f64) -> Truth,
    },
    Backward {
        run: BackwardRun,
        truth: BackwardTruth,
    },
}

/// A kernel of the family in the registry.
pub(super) struct Registered {
    pub(super) spec: &'static Spec,
    pub(super) kind: Kind,
    pub(super) which: Which,
}

impl Registered {
    fn case(&self, tier: Tier, b: usize, nh: usize, n: usize, dtype: DType) -> Case {
        match self.kind {
            Kind::Rms => Case::new(tier, &[("b", b * nh), ("n", n)], dtype),
            Kind::Heads => Case::new(tier, &[("b", b), ("nh", nh), ("n", n)], dtype),
        }
    }

    fn takes_gate(&self) -> bool {
        self.spec.inputs.last().is_some_and(|slot| slot.name == "gate")
    }

    fn eps(&self, args: &Args) -> Result<f64> {
        args.float("eps", Norm::default().eps)
    }
}

/// Extents of x, and of the weights.
fn extents(case: &Case) -> (Vec<usize>, Vec<usize>) {
    let x: Vec<usize> = case.dims.iter().map(|&(_, extent)| extent).collect();
    let own = x[1..].to_vec();
    (x, own)
}

/// Roundings of a gate, and of its derivative.
const GATE: f64 = 16.0;

fn roundings(n: usize, tokens: usize) -> [f64; 2] {
    let row = 2.0 * (n as f64 / 32.0 + 1.0 + 5.0 + 8.0) + 16.0;
    let block = block(tokens);
    [row, row + tokens.min(block) as f64 + tokens.div_ceil(block) as f64]
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let f32 = DType::F32;
        let mut cases: Vec<Case> =
            [(1, 1, 1), (3, 1, 31), (2, 3, 33), (5, 2, 64), (0, 2, 5), (2, 3, 0), (67, 2, 6)]
                .map(|(b, nh, n)| self.case(Edge, b, nh, n, f32))
                .into();
        cases.push(self.case(Edge, 2, 2, 515, f32));
        cases.push(self.case(Edge, 4, 3, 37, f32).set("eps", 0.5).data("offset"));
        cases.push(self.case(Edge, 3, 2, 40, f32).data("transposed"));
        cases.push(self.case(Edge, 3, 2, 40, f32).data("nan"));
        cases.push(self.case(Edge, 5, 3, 70, DType::Bf16));
        if self.takes_gate() {
            cases.push(self.case(Edge, 3, 2, 37, f32).data("gated"));
            cases.push(self.case(Edge, 5, 3, 72, DType::Bf16).data("gated"));
            cases.push(self.case(Edge, 2, 2, 515, f32).data("gated"));
            cases.push(self.case(Edge, 0, 2, 5, f32).data("gated"));
            for dtype in [f32, DType::F16, DType::Bf16, DType::F64] {
                cases.push(self.case(Check, 37, 2, 1100, dtype).data("gated"));
            }
            cases.push(self.case(Bench, 8192, 8, 512, DType::Bf16).data("gated"));
        }
        for dtype in [f32, DType::F16, DType::Bf16, DType::F64] {
            cases.push(self.case(Check, 300, 3, 100, dtype));
            cases.push(self.case(Check, 37, 2, 1100, dtype).data("offset"));
            cases.push(self.case(Check, 9000, 1, 24, dtype));
            // Longer than a group's registers hold.
            cases.push(self.case(Check, 3, 1, 9000, dtype));
        }
        cases.push(self.case(Bench, 8192, 8, 512, f32));
        cases.push(self.case(Bench, 8192, 8, 512, DType::Bf16));
        cases.push(self.case(Bench, 1, 8, 512, DType::Bf16));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        // Far from 0 the mean matters; and what is added to the mean square matters where that is small.
        let (centre, width) = if case.data == "offset" { (3.0, 1.0) } else { (0.1, 2.0) };
        let mut values = |dims: &[usize]| {
            let count = dims.iter().product();
            let mut values: Vec<f64> =
                (0..count).map(|_| centre + width * random.random_range(-1.0..1.0)).collect();
            if case.data == "nan" {
                values[count / 2] = f64::NAN;
            }
            Tensor::from_f64(&values, case.dtype, dims)
        };
        let (x, own) = extents(case);
        let weight = values(&own)?;
        let weight = if case.data == "nan" {
            Tensor::from_f64(&vec![0.5; weight.elements()], case.dtype, own)?
        } else {
            weight
        };
        let mut row_major = || match case.data {
            "transposed" => {
                let reversed: Vec<usize> = x.iter().rev().copied().collect();
                values(&reversed)?.permute(&(0..x.len()).rev().collect::<Vec<_>>())
            }
            _ => values(&x),
        };
        let mut inputs = match self.which {
            Which::Forward { .. } => vec![row_major()?, weight],
            Which::Backward { .. } => vec![row_major()?, row_major()?, weight],
        };
        if case.data == "gated" {
            // Far to both sides: open, half open and shut.
            let of = |at: usize| 40.0 * (at as f64).sin().powi(3);
            let gate: Vec<f64> = (0..inputs[0].elements()).map(of).collect();
            inputs.push(Tensor::from_f64(&gate, case.dtype, inputs[0].shape())?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (x, own) = extents(case);
        let (n, eps) = (case.dim("n"), self.eps(&case.args)?);
        let tokens = if own.contains(&0) { 0 } else { x[0] };
        let accumulator = if case.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let [row, column] = roundings(n, tokens);
        let values = |shape: &[usize], roundings, truth: Truth| {
            Expected::values(shape, case.dtype, accumulator, roundings, truth)
        };
        let data = inputs.iter().map(Tensor::to_f64_vec).collect::<Result<Vec<_>>>()?;
        Ok(match self.which {
            Which::Forward { truth, .. } => {
                let out = truth(&data[0], &data[1], n, eps);
                vec![values(&x, row, if let Some(gate) = data.get(2) { through(out, gate) } else { out })]
            }
            Which::Backward { truth, .. } => {
                let gate = data.get(3).map(Vec::as_slice);
                let more = if gate.is_some() { GATE } else { 0.0 };
                let places = [(&x, row + more), (&own, column + more), (&x, row + more)];
                let truth = truth(&data[0], &data[1], &data[2], gate, n, eps);
                let mut expected: Vec<Expected> = places
                    .into_iter()
                    .zip(truth)
                    .map(|((shape, roundings), truth)| values(shape, roundings, truth))
                    .collect();
                expected.resize_with(self.spec.outputs.len(), || Expected::Absent);
                expected
            }
        })
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(self.spec.name, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(self.spec)?;
        let name = self.spec.name;
        let wrong = |count: usize| Error::range(name, "number of inputs", count, inputs.len());
        let dtype = inputs.first().ok_or_else(|| wrong(self.spec.inputs.len()))?.dtype();
        choose(name, variant, &variants(name, stream.device(), dtype)?)?;
        let args = Norm { eps: self.eps(args)? };
        match (&self.which, inputs) {
            (Which::Forward { run, .. }, [x, weight]) => Ok(vec![run(stream, x, weight, None, &args)?]),
            (Which::Forward { run, .. }, [x, weight, gate]) if self.takes_gate() => {
                Ok(vec![run(stream, x, weight, Some(gate), &args)?])
            }
            (Which::Backward { run, .. }, [dy, x, weight, gate @ ..])
                if gate.len() <= usize::from(self.takes_gate()) =>
            {
                let by = run(stream, dy, x, weight, gate.first(), &args)?;
                Ok([by.x, by.weight].into_iter().chain(by.gate).collect())
            }
            _ => Err(wrong(self.spec.inputs.len())),
        }
    }

    fn work(&self, case: &Case) -> Work {
        let elements = case.dims.iter().map(|&(_, extent)| extent as f64).product::<f64>();
        let (flops, passes) = match self.which {
            Which::Forward { .. } if case.data == "gated" => (9.0, 3.0),
            Which::Forward { .. } => (4.0, 2.0),
            Which::Backward { .. } if case.data == "gated" => (23.0, 5.0),
            Which::Backward { .. } => (11.0, 3.0),
        };
        Work { flops: flops * elements, bytes: passes * elements * case.dtype.size() as f64 }
    }
}
