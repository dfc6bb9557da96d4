//! Evidence. Tolerance: a rounding for each place that a row of the table has.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::{NAME, embedding_bw, reference};
use crate::arguments::choose;
use crate::gather::embedding::{DTYPES, case_ids, shared_cases, values, variants};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "gather",
    math: "dtable[i, j] = sum of dy[p, j] over all places p with ids[p] = i",
    inputs: &[Slot::new("dy", "[.., d]"), Slot::new("ids", "[..]")],
    outputs: &[Slot::new("dtable", "[n, d]")],
    args: &[ArgSpec { name: "n", default: "1", doc: "the rows of the table" }],
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let with_rows = |case: Case| Case { args: case.args.clone().set("n", case.dim("n") as i64), ..case };
        shared_cases().into_iter().map(with_rows).collect()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (dy, ids) = (values(case, case.dim("s"))?, case_ids(case)?);
        let shape = [ids.dims(), &[case.dim("d")]].concat();
        // A view of two axes of ids has as many leading axes of gradients.
        let dy = if ids.rank() == 2 { Tensor::from_f64(&dy.to_f64_vec()?, case.dtype, shape)? } else { dy };
        Ok(vec![dy, ids])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (n, d) = (case.dim("n"), case.dim("d"));
        let (by, terms) =
            reference::embedding_bw(&inputs[0].to_f64_vec()?, &inputs[1].to_vec::<i64>()?, n, d);
        let accumulator = if case.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        Ok(vec![Expected::values(&[n, d], case.dtype, accumulator, terms as f64, by)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(NAME, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [dy, ids] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), dy.dtype())?)?;
        Ok(vec![embedding_bw(stream, dy, ids, args.size("n", 1)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let (read, written) = (case.dim("s") * case.dim("d"), case.dim("n") * case.dim("d"));
        let bytes = (read + written) as f64 * case.dtype.size() as f64 + 8.0 * case.dim("s") as f64;
        Work { flops: read as f64, bytes }
    }
}
