//! Evidence for `sq_encode`.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::{NAME, SqEncode, reference, sq_encode};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::samples::Samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "words(i, j) = floor((2^bits - 1) (x_ij - ranges_0j) / ranges_1j), from 0 to 2^bits - 1, as one string of bits",
    inputs: &[Slot::new("x", "[n, d]"), Slot::new("ranges", "[2, d]")],
    outputs: &[Slot::new("codes", "[n, bytes]")],
    args: &[ArgSpec { name: "bits", default: "8", doc: "8, 6 or 4" }],
    dtypes: &[DType::F32],
};

/// `sq_encode` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, n: usize, d: usize, bits: usize) -> Case {
    Case::new(tier, &[("n", n), ("d", d)], DType::F32).set("bits", bits as i64)
}

fn code_bytes(d: usize, bits: usize) -> usize {
    (d * bits).div_ceil(8)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 3, 8),
            case(Edge, 13, 7, 8).data("integers"),
            case(Edge, 40, 3, 8).data("special"),
            case(Edge, 13, 7, 6).data("integers"),
            case(Edge, 31, 9, 6).data("special"),
            case(Edge, 13, 7, 4).data("integers"),
            case(Edge, 5, 40, 4),
        ];
        for bits in [8, 6, 4] {
            for (n, d) in [(1003, 128), (201, 1025), (3001, 3)] {
                for data in ["", "integers", "special", "far"] {
                    cases.push(case(Check, n, d, bits).data(data));
                }
            }
            cases.push(case(Bench, 100_000, 128, bits).data("subspace"));
        }
        cases
    }

    /// Ranges that some numbers lie beyond, and now and then one without width. Of whole numbers the steps are whole, and each in the middle of its own.
    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let (n, d, bits) = (case.dim("n"), case.dim("d"), case.args.size("bits", 8)?);
        let x = samples.vectors(n, d)?;
        let mut ranges = vec![0.0f32; 2 * d];
        for j in 0..d {
            let center = if case.data == "far" { 100.0 } else { 0.0 };
            (ranges[j], ranges[d + j]) = match case.data {
                "integers" => (-1.5, ((1 << bits) - 1) as f32),
                _ => {
                    (center - 1.5 - samples.below(100) as f32 / 100.0, 3.0 + samples.below(100) as f32 / 50.0)
                }
            };
            if j % 7 == 6 {
                ranges[d + j] = 0.0;
            }
        }
        Ok(vec![x, Tensor::from_vec(ranges, [2, d])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (n, d, bits) = (case.dim("n"), case.dim("d"), case.args.size("bits", 8)?);
        let shape = [n, code_bytes(d, bits)];
        if case.data != "integers" {
            return Ok(vec![Expected::Free { shape: shape.to_vec(), dtype: DType::U8 }]);
        }
        let mut codes = vec![0u8; shape[0] * shape[1]];
        for (at, place) in truth(case, inputs)?.into_iter().enumerate() {
            let (row, j) = (at / d, at % d);
            let word = place.map_or(0, |place| place.floor() as u8);
            for i in 0..bits {
                let bit = bits * j + i;
                codes[row * shape[1] + bit / 8] |= (word >> i & 1) << (bit % 8);
            }
        }
        Ok(vec![Expected::Exact(Tensor::from_vec(codes, shape)?)])
    }

    /// How far a number lies outside the step of its word, in units of what roundings may hide; infinite where a bit after the last word is set.
    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (d, bits) = (case.dim("d"), case.args.size("bits", 8)?);
        let (bytes, most) = (code_bytes(d, bits), f64::from((1u32 << bits) - 1));
        let codes = outputs[0].to_vec::<u8>()?;
        let mut ratio = 0.0f64;
        for (at, place) in truth(case, inputs)?.into_iter().enumerate() {
            let (row, j) = (at / d, at % d);
            let word = f64::from(reference::word(bits, &codes[row * bytes..(row + 1) * bytes], j));
            let Some(place) = place else {
                ratio = ratio.max(if word == 0.0 { 0.0 } else { f64::INFINITY });
                continue;
            };
            // A difference, a quotient and a product, each rounded once.
            let hidden = 4.0 * DType::F32.unit_roundoff() * place + DType::F32.smallest_positive();
            let top = if word == most { f64::INFINITY } else { word + 1.0 };
            ratio = ratio.max((word - place).max(place - top).max(0.0) / hidden);
        }
        for code in codes.chunks(bytes.max(1)) {
            let rest = (bits * d..8 * bytes).any(|bit| code[bit / 8] >> (bit % 8) & 1 == 1);
            ratio = ratio.max(if rest { f64::INFINITY } else { 0.0 });
        }
        Ok(vec![Residual {
            name: "a number's way to the step of its word / what roundings hide",
            ratio,
            limit: 1.0,
        }])
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
        let [x, ranges] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        Ok(vec![sq_encode(stream, x, ranges, &SqEncode { bits: given.size("bits", 8)? })?])
    }

    fn work(&self, case: &Case) -> Work {
        let (n, d) = (case.dim("n") as f64, case.dim("d") as f64);
        let bits = case.args.size("bits", 8).map_or(8.0, |bits| bits as f64);
        Work { flops: 3.0 * n * d, bytes: n * d * (4.0 + bits / 8.0) + 8.0 * d }
    }
}

/// The place of each number in its column's steps.
fn truth(case: &Case, inputs: &[Tensor]) -> Result<Vec<Option<f64>>> {
    let (d, bits) = (case.dim("d"), case.args.size("bits", 8)?);
    let (x, ranges) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
    let most = f64::from((1u32 << bits) - 1);
    let of_element = |(at, &x): (usize, &f64)| reference::place(x, ranges[at % d], ranges[d + at % d], most);
    Ok(x.iter().enumerate().map(of_element).collect())
}
