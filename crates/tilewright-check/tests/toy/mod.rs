//! A kernel with planted faults, to show that each of them is found: `out = factor * x`, `rounded` its nearest integers.

use std::sync::atomic::{AtomicUsize, Ordering};

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

/// What is wrong with a [`Scale`].
#[allow(dead_code, reason = "not every test that includes this file plants every fault")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One element is off by twice its tolerance.
    OneElementOff,
    /// The last element is never written.
    LastUnwritten,
    /// One integer is off by one.
    OffByOne,
    /// The second output is forgotten.
    MissingOutput,
    /// The result depends on how often it was asked for, within the tolerance.
    Unrepeatable,
    /// Gives an error for a case that it says it supports.
    Refuses,
    Panics,
    /// The residual is NaN.
    NanResidual,
    /// The judge is blind: every tolerance is a million times the value, and there is no residual.
    BlindJudge,
}

/// `out = factor * x` of shape `[n]` or `[m, n]`.
pub(crate) struct Scale {
    pub(crate) fault: Fault,
    runs: AtomicUsize,
}

static SPEC: Spec = Spec {
    name: "scale",
    family: "toy",
    math: "out = factor x; rounded = round(out)",
    inputs: &[Slot::new("x", "[.., n]")],
    outputs: &[Slot::new("out", "[.., n]"), Slot::new("rounded", "[.., n]")],
    args: &[ArgSpec { name: "factor", default: "2", doc: "any number" }],
    dtypes: &[DType::F32, DType::F16],
};

impl Scale {
    pub(crate) const fn new(fault: Fault) -> Self {
        Self { fault, runs: AtomicUsize::new(0) }
    }
}

impl Kernel for Scale {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new(Tier::Edge, &[("m", 1), ("n", 7)], DType::F32),
            Case::new(Tier::Edge, &[("m", 3), ("n", 5)], DType::F32).set("factor", -0.5).data("strided"),
            Case::new(Tier::Edge, &[("m", 1), ("n", 0)], DType::F32),
            Case::new(Tier::Check, &[("m", 2), ("n", 33)], DType::F16),
            Case::new(Tier::Bench, &[("m", 64), ("n", 1024)], DType::F32),
        ]
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (m, n) = (case.dim("m"), case.dim("n"));
        let values: Vec<f64> =
            (0..m * n).map(|i| ((i as f64 + case.seed as f64) * 0.37).sin() * 10.0).collect();
        let x = Tensor::from_f64(&values, case.dtype, [m, n])?;
        Ok(vec![if case.data == "strided" { x.transpose()? } else { x }])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let factor = case.args.float("factor", 2.0)?;
        let values: Vec<f64> = inputs[0].to_f64_vec()?.iter().map(|x| factor * x).collect();
        let roundings = if self.fault == Fault::BlindJudge { 1e12 } else { 1.0 };
        let truth = values.iter().map(|&value| (value, value.abs()));
        let rounded = Tensor::from_f64(
            &values.iter().map(|v| v.round()).collect::<Vec<_>>(),
            DType::I32,
            inputs[0].shape(),
        )?;
        Ok(vec![
            Expected::values(inputs[0].dims(), case.dtype, case.dtype, roundings, truth),
            Expected::Exact(rounded),
        ])
    }

    fn residuals(&self, _: &Case, _: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        if self.fault == Fault::BlindJudge {
            return Ok(Vec::new());
        }
        let (out, rounded) = (outputs[0].to_f64_vec()?, outputs[1].to_f64_vec()?);
        let distance = out.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let ratio = if self.fault == Fault::NanResidual { f64::NAN } else { distance };
        Ok(vec![Residual { name: "|out - rounded|", ratio, limit: 0.51 }])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        match device {
            Device::Cpu if case.dtype == DType::F16 => {
                Err(Error::unsupported("scale", device, "no f16 here"))
            }
            Device::Cpu => Ok(vec!["cpu"]),
            _ => Err(Error::unsupported("scale", device, "a toy runs on the host only")),
        }
    }

    fn run(&self, stream: &Stream, _: Option<&str>, args: &Args, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let factor = args.float("factor", 2.0)? as f32;
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let mut values: Vec<f32> = inputs[0].to_vec::<f32>()?.iter().map(|x| factor * x).collect();
        let mut rounded: Vec<i32> = values.iter().map(|value| value.round() as i32).collect();
        let middle = values.len() / 2;
        match self.fault {
            Fault::Refuses => return Err(Error::unsupported("scale", stream.device(), "changed its mind")),
            Fault::Panics => panic!("index out of range"),
            Fault::OneElementOff if !values.is_empty() => values[middle] *= 1.0 + 3.0 * f32::EPSILON,
            Fault::OffByOne if !values.is_empty() => rounded[middle] += 1,
            Fault::Unrepeatable if !values.is_empty() && run % 2 == 1 => {
                values[middle] = f32::from_bits(values[middle].to_bits() ^ 1);
            }
            _ => {}
        }
        let shape = inputs[0].shape();
        let mut out = Tensor::empty(stream, DType::F32, shape)?;
        let written = values.len() - usize::from(self.fault == Fault::LastUnwritten && !values.is_empty());
        out.as_slice_mut::<f32>()?[..written].copy_from_slice(&values[..written]);
        if self.fault == Fault::MissingOutput {
            return Ok(vec![out]);
        }
        Ok(vec![out, Tensor::from_vec(rounded, shape)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("m") * case.dim("n")) as f64;
        Work { flops: elements, bytes: 12.0 * elements }
    }
}
