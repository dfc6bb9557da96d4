//! Evidence for `pq_encode`.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, pq_encode, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::product::{bytes, word};
use crate::search::samples::{Samples, rows};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "codes(i, j) = argmin_c |x_ij - codebooks_jc|^2 for each part j of row i",
    inputs: &[Slot::new("x", "[n, d]"), Slot::new("codebooks", "[m, words, d / m]")],
    outputs: &[Slot::new("codes", "[n, bytes]")],
    args: &[],
    dtypes: &[DType::F32],
};

/// `pq_encode` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, n: usize, m: usize, words: usize, part: usize) -> Case {
    Case::new(tier, &[("n", n), ("m", m), ("words", words), ("part", part)], DType::F32)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 2, 16, 3),
            case(Edge, 1, 1, 16, 1).data("integers"),
            case(Edge, 37, 3, 16, 2).data("integers"),
            case(Edge, 21, 4, 16, 3).data("special"),
            case(Edge, 9, 3, 256, 2),
            case(Edge, 11, 2, 256, 1).data("integers"),
        ];
        for (m, words, part) in [(7, 16, 5), (32, 16, 4), (16, 256, 8), (5, 256, 33)] {
            for data in ["", "integers", "special"] {
                cases.push(case(Check, 501, m, words, part).data(data));
            }
        }
        cases.push(case(Bench, 100_000, 32, 256, 4).data("subspace"));
        cases.push(case(Bench, 100_000, 32, 16, 4).data("subspace"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let [n, m, words, part] = ["n", "m", "words", "part"].map(|name| case.dim(name));
        let x = samples.vectors(n, m * part)?;
        let mut plain = Samples::new(&Case {
            data: if case.data == "integers" { "integers" } else { "" },
            ..case.clone()
        });
        Ok(vec![x, plain.vectors(m * words, part)?.reshape([m, words, part])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [n, m, words] = ["n", "m", "words"].map(|name| case.dim(name));
        let shape = [n, bytes(m, words)];
        if case.data != "integers" {
            return Ok(vec![Expected::Free { shape: shape.to_vec(), dtype: DType::U8 }]);
        }
        let mut codes = vec![0u8; shape[0] * shape[1]];
        for (row, distances) in truth(case, inputs)?.chunks(m).enumerate() {
            for (j, (distances, _)) in distances.iter().enumerate() {
                let code = &mut codes[row * shape[1]..];
                let word = reference::nearest(distances) as u8;
                if words == 16 { code[j / 2] |= word << (j % 2 * 4) } else { code[j] = word }
            }
        }
        Ok(vec![Expected::Exact(Tensor::from_vec(codes, shape)?)])
    }

    /// How much farther the chosen word is than the nearest, in units of what roundings may hide.
    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let [m, words, part] = ["m", "words", "part"].map(|name| case.dim(name));
        let (codes, bytes) = (outputs[0].to_vec::<u8>()?, bytes(m, words));
        let roundings = (part + 8) as f64 * DType::F32.unit_roundoff();
        let g = roundings / (1.0 - roundings);
        let mut ratio = 0.0f64;
        for (row, parts) in truth(case, inputs)?.chunks(m).enumerate().step_by(step(case)) {
            let code = &codes[row * bytes..(row + 1) * bytes];
            for (j, (distances, length)) in parts.iter().enumerate() {
                let (chosen, best) = (word(words, j, |i| code[i]), reference::nearest(distances));
                if !distances[best].is_finite() {
                    ratio = ratio.max(if chosen == 0 { 0.0 } else { f64::INFINITY });
                    continue;
                }
                // Of a score at most g (|x||w| + |w|²/2), of a distance twice that, of two distances four times.
                let hidden = 4.0 * g * 1.5 * length + f64::from(f32::MIN_POSITIVE);
                ratio = ratio.max((distances[chosen] - distances[best]) / hidden);
            }
            let rest = words == 16 && m % 2 == 1 && code[bytes - 1] > 15;
            ratio = ratio.max(if rest { f64::INFINITY } else { 0.0 });
        }
        Ok(vec![Residual { name: "(|x - w| ^2 - the least) / what roundings hide", ratio, limit: 1.0 }])
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
        let [x, codebooks] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        Ok(vec![pq_encode(stream, x, codebooks)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [n, m, words, part] = ["n", "m", "words", "part"].map(|name| case.dim(name) as f64);
        let bytes = bytes(case.dim("m"), case.dim("words")) as f64;
        Work { flops: 2.0 * n * m * words * part, bytes: 4.0 * m * part * (n + words) + n * bytes }
    }
}

/// How far apart the rows are that are judged: large problems take minutes.
fn step(case: &Case) -> usize {
    (case.dim("n") / 2000).max(1)
}

/// For each part of each row that is judged the distances from its words, and the square of the greatest length among it and them.
fn truth(case: &Case, inputs: &[Tensor]) -> Result<Vec<(Vec<f64>, f64)>> {
    let [m, words, part] = ["m", "words", "part"].map(|name| case.dim(name));
    let codebooks = inputs[1].to_f64_vec()?;
    let mut truth = Vec::new();
    for (row, x) in rows(&inputs[0])?.iter().enumerate() {
        for j in 0..m {
            if row % step(case) != 0 {
                truth.push((Vec::new(), 0.0));
                continue;
            }
            let (own, codebook) =
                (&x[j * part..(j + 1) * part], &codebooks[j * words * part..(j + 1) * words * part]);
            let squared = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
            let length = codebook.chunks(part).map(squared).fold(squared(own), f64::max);
            truth.push((reference::distances(own, codebook), length));
        }
    }
    Ok(truth)
}
