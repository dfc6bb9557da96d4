//! Evidence: the very bytes.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work, with_element,
};

use super::super::placed::offset;
use super::super::tril::{OFFSET, whole};
use super::super::{registry, samples};
use super::{Diagonal, NAME, diagonal, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "out_l = x_ij, j - i = offset",
    inputs: &[Slot::new("x", "[.., m, n]")],
    outputs: &[Slot::new("out", "[.., k]")],
    args: &[OFFSET, ArgSpec { name: "axes", default: "-2,-1", doc: "those of rows and columns" }],
    dtypes: &DType::ALL,
};

fn arguments(args: &Args) -> Result<Diagonal> {
    let text = args.text("axes", "-2,-1")?;
    let axes: Vec<i64> = text.split(',').filter_map(|axis| axis.trim().parse().ok()).collect();
    let axes = axes.try_into().map_err(|_| Error::range(NAME, "axes", "two numbers with a comma", text))?;
    Ok(Diagonal { offset: offset(NAME, args)?, axes })
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case =
            |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
        let edge = |size, dtype| case(Tier::Edge, size, dtype);
        let mut cases = vec![
            edge([2, 0, 3], DType::F32),
            edge([0, 1, 1], DType::F32),
            edge([3, 5, 7], DType::F32).set("offset", -2i64).data("transposed"),
            edge([2, 7, 4], DType::I32).set("offset", 1i64).data("sliced"),
            edge([2, 3, 4], DType::Bf16).set("offset", -3i64),
            edge([3, 4, 5], DType::F32).set("axes", "2,0").set("offset", 1i64),
        ];
        for dtype in DType::ALL {
            cases.push(case(Tier::Check, [3, 33, 65], dtype).set("offset", 3i64));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (m, n) = (case.dim("m"), case.dim("n"));
        Ok(vec![samples::stack(case, [m, n], |item| whole(case, item, m * n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = arguments(&case.args)?;
        // Rows and columns last.
        let moved = match args.axes {
            [2, 0] => inputs[0].permute(&[1, 2, 0])?,
            _ => inputs[0].clone(),
        };
        let &[ref batch @ .., m, n] = moved.dims() else { unreachable!("stacks are of matrices") };
        let places = reference::diagonal(m, n, args.offset);
        let taken = with_element!(case.dtype, T => {
            let values = moved.to_vec::<T>()?;
            let of = |item: usize| places.iter().map(move |&[i, j]| (item * m + i) * n + j);
            let items = 0..batch.iter().product::<usize>();
            let taken: Vec<T> = items.flat_map(of).map(|at| values[at]).collect();
            Tensor::from_vec(taken, [batch, &[places.len()]].concat())?
        });
        Ok(vec![Expected::Exact(taken)])
    }

    fn support(&self, device: Device, _: &Case) -> Result<Vec<&'static str>> {
        Ok(vec![only_variant(device)])
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        let [x] = registry::inputs(NAME, inputs)?;
        Ok(vec![diagonal(stream, x, &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name));
        Work { flops: 0.0, bytes: (b.max(1) * m.min(n) * case.dtype.size()) as f64 }
    }
}
