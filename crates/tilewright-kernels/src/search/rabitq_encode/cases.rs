//! Evidence for `rabitq_encode`.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, rabitq_encode, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::samples::{Samples, rows};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "codes = the bits of x > 0, squares = |x|^2, factors = 2 |x|^2 / sum |x_j|, for each row",
    inputs: &[Slot::new("x", "[n, d]")],
    outputs: &[Slot::new("codes", "[n, bytes]"), Slot::new("squares", "[n]"), Slot::new("factors", "[n]")],
    args: &[],
    dtypes: &[DType::F32],
};

/// `rabitq_encode` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, n: usize, d: usize) -> Case {
    Case::new(tier, &[("n", n), ("d", d)], DType::F32)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 3),
            case(Edge, 1, 1),
            case(Edge, 9, 33),
            case(Edge, 5, 64).data("integers"),
            case(Edge, 11, 7).data("integers"),
        ];
        for (n, d) in [(1003, 128), (57, 1025), (3001, 3)] {
            for data in ["", "integers", "far"] {
                cases.push(case(Check, n, d).data(data));
            }
        }
        cases.push(case(Bench, 100_000, 128).data("subspace"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![Samples::new(case).vectors(case.dim("n"), case.dim("d"))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (n, d) = (case.dim("n"), case.dim("d"));
        let bytes = d.div_ceil(8);
        let (mut codes, mut squares, mut factors) = (vec![0u8; n * bytes], Vec::new(), Vec::new());
        for (row, x) in rows(&inputs[0])?.iter().enumerate() {
            let (signs, squared, factor) = reference::encoded(x);
            for (j, _) in signs.iter().enumerate().filter(|&(_, &sign)| sign) {
                codes[row * bytes + j / 8] |= 1 << (j % 8);
            }
            squares.push(squared);
            factors.push(factor);
        }
        // d products and sums of them, two such sums and what is done with them: all terms are positive.
        let roundings = |steps: usize| {
            let all = steps as f64 * DType::F32.unit_roundoff();
            all / (1.0 - all)
        };
        let values = |value: Vec<f64>, steps: usize| {
            let tolerance = value.iter().map(|x| roundings(steps) * x).collect();
            Expected::Values { shape: vec![n], dtype: DType::F32, value, tolerance }
        };
        let codes = Expected::Exact(Tensor::from_vec(codes, [n, bytes])?);
        Ok(vec![codes, values(squares, d + 1), values(factors, 2 * d + 4)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "x", case.dtype, &[DType::F32])?;
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
        let [x] = inputs else {
            return Err(Error::range(NAME, "inputs", "1 tensor", inputs.len()));
        };
        let (codes, squares, factors) = rabitq_encode(stream, x)?;
        Ok(vec![codes, squares, factors])
    }

    fn work(&self, case: &Case) -> Work {
        let (n, d) = (case.dim("n") as f64, case.dim("d") as f64);
        Work { flops: 3.0 * n * d, bytes: n * d * (4.0 + 1.0 / 8.0) + 8.0 * n }
    }
}
