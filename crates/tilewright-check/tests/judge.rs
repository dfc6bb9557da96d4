//! The judge finds every planted fault, and passes what is right.

mod toy;

use std::any::Any;
use std::sync::{Arc, Mutex};

use tilewright_check::{Failure, Fate, Trial};
use tilewright_core::{
    Args, Buffer, Case, DType, Device, Event, Expected, Kernel, Result, Spec, Stream, StreamDriver, Tensor,
    Work,
};
use toy::{Fault, Scale};

/// The first verdict on any case that is not a pass.
fn first_failure(kernel: &dyn Kernel, stream: &Stream) -> Option<Failure> {
    let supported = |case: &Case| kernel.support(Device::Cpu, case).is_ok();
    kernel
        .cases()
        .into_iter()
        .filter(supported)
        .find_map(|case| Trial::new(kernel, case).unwrap().judge(stream, Some("cpu")).err())
}

#[test]
fn a_right_kernel_passes_with_its_share() {
    let kernel = Scale::new(Fault::None);
    assert_eq!(first_failure(&kernel, &Stream::cpu()), None);
    let trial = Trial::new(&kernel, kernel.cases().remove(0)).unwrap();
    let (worst, outputs) = trial.judge(&Stream::cpu(), None).unwrap();
    assert!(worst.share > 0.0 && worst.share <= 1.0, "{worst}");
    assert_eq!(outputs.len(), 2);
    assert!(trial.error(&outputs).is_some_and(|error| error < 1e-7));
}

#[test]
fn the_error_is_against_the_largest_value_and_a_nan_is_no_small_one() {
    let kernel = Scale::new(Fault::None);
    let trial = Trial::new(&kernel, kernel.cases().remove(0)).unwrap();
    let mut out = trial.inputs()[0].to_f64_vec().unwrap();
    out.iter_mut().for_each(|x| *x *= 2.0);
    let largest = out.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let error =
        |out: &[f64], shape: [usize; 2]| trial.error(&[Tensor::from_f64(out, DType::F64, shape).unwrap()]);
    out[2] += 0.25 * largest;
    assert!(error(&out, [1, 7]).is_some_and(|error| (error - 0.25).abs() < 1e-6));
    assert_eq!(error(&out, [7, 1]), None);
    out[3] = f64::NAN;
    out[4] += 1.0;
    assert!(error(&out, [1, 7]).is_some_and(f64::is_nan));
}

#[test]
fn every_planted_fault_is_found() {
    for (fault, part) in [
        (Fault::OneElementOff, "output out 1 of 7 elements are wrong; worst at [0, 3]"),
        (Fault::LastUnwritten, "got NaN"),
        (Fault::OffByOne, "output rounded 1 of 7 elements differ; first at [0, 3]"),
        (Fault::MissingOutput, "gave 1 outputs, expected 2"),
        (Fault::Unrepeatable, "output out differs between two runs"),
        (Fault::Refuses, "changed its mind"),
        (Fault::Panics, "panicked: index out of range"),
        (Fault::NanResidual, "|out - rounded| is NaN, the limit is 0.51"),
    ] {
        let failure = first_failure(&Scale::new(fault), &Stream::cpu()).map(|failure| failure.to_string());
        assert!(failure.as_ref().is_some_and(|text| text.contains(part)), "{fault:?}: {failure:?}");
    }
}

#[test]
fn mutants_of_a_right_kernel_are_all_caught_and_a_blind_judge_is_found_out() {
    let verdicts = |fault| {
        let kernel = Scale::new(fault);
        let trial = Trial::new(&kernel, kernel.cases().remove(0)).unwrap();
        let (_, outputs) = trial.judge(&Stream::cpu(), None).unwrap();
        trial.mutate(&outputs).unwrap()
    };
    let right = verdicts(Fault::None);
    let made: Vec<_> = right.iter().map(|&(mutation, output, _)| (output, mutation)).collect();
    for mutant in [
        ("out", "shape"),
        ("out", "tolerance"),
        ("out", "nan"),
        ("out", "sign"),
        ("out", "swap"),
        ("rounded", "shape"),
        ("rounded", "off by one"),
        ("rounded", "swap"),
    ] {
        assert!(made.contains(&mutant), "{mutant:?} was not made: {made:?}");
    }
    assert!(right.iter().all(|(.., fate)| *fate == Fate::Caught), "{right:?}");
    let blind = verdicts(Fault::BlindJudge);
    for mutation in ["sign", "swap"] {
        assert!(blind.contains(&(mutation, "out", Fate::Excused)), "{mutation}: {blind:?}");
    }
}

#[test]
fn a_residual_that_looks_at_nothing_misses_its_mutants() {
    /// `scale` whose output is declared free, with a residual that is always good.
    struct Careless(Scale);
    impl Kernel for Careless {
        fn spec(&self) -> &'static Spec {
            self.0.spec()
        }
        fn cases(&self) -> Vec<Case> {
            self.0.cases()
        }
        fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
            self.0.inputs(case)
        }
        fn expected(&self, _: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
            let free = |dtype| Expected::Free { shape: inputs[0].dims().to_vec(), dtype };
            Ok(vec![free(DType::F32), free(DType::I32)])
        }
        fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
            self.0.support(device, case)
        }
        fn run(
            &self,
            stream: &Stream,
            variant: Option<&str>,
            args: &Args,
            inputs: &[Tensor],
        ) -> Result<Vec<Tensor>> {
            self.0.run(stream, variant, args, inputs)
        }
        fn work(&self, case: &Case) -> Work {
            self.0.work(case)
        }
    }
    let kernel = Careless(Scale::new(Fault::None));
    let trial = Trial::new(&kernel, kernel.cases().remove(0)).unwrap();
    let (_, outputs) = trial.judge(&Stream::cpu(), None).unwrap();
    let fates = trial.mutate(&outputs).unwrap();
    for missed in [("nan", "out"), ("doubled", "out"), ("doubled", "rounded")] {
        assert!(fates.contains(&(missed.0, missed.1, Fate::Missed)), "{fates:?}");
    }
    assert!(fates.contains(&("shape", "out", Fate::Caught)));
}

/// Memory that the host can change behind everyone's back, on a device that is called `device`.
struct Open(Mutex<Vec<u8>>, Device);

impl Buffer for Open {
    fn device(&self) -> Device {
        self.1
    }
    fn bytes(&self) -> usize {
        self.0.lock().unwrap().len()
    }
    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()> {
        target.copy_from_slice(&self.0.lock().unwrap()[offset..offset + target.len()]);
        Ok(())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct OpenStream;

impl StreamDriver for OpenStream {
    fn device(&self) -> Device {
        Device::Emulated
    }
    fn allocate(&self, bytes: usize) -> Result<Arc<dyn Buffer>> {
        Ok(Arc::new(Open(Mutex::new(vec![0xff; bytes]), Device::Emulated)))
    }
    fn upload(&self, bytes: &[u8]) -> Result<Arc<dyn Buffer>> {
        Ok(Arc::new(Open(Mutex::new(bytes.to_vec()), Device::Emulated)))
    }
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
    fn record(&self) -> Result<Event> {
        Stream::cpu().record()
    }
    fn wait(&self, _: &Event) -> Result<()> {
        Ok(())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A right `scale` that computes on the host, and either moves its results to the stream's device and scribbles on its
/// input, or leaves them where they are.
struct Meddler {
    inner: Scale,
    scribbles: bool,
}

impl Kernel for Meddler {
    fn spec(&self) -> &'static Spec {
        self.inner.spec()
    }
    fn cases(&self) -> Vec<Case> {
        self.inner.cases()
    }
    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        self.inner.inputs(case)
    }
    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        self.inner.expected(case, inputs)
    }
    fn support(&self, _: Device, _: &Case) -> Result<Vec<&'static str>> {
        Ok(vec!["meddler"])
    }
    fn run(&self, stream: &Stream, _: Option<&str>, args: &Args, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let outputs = self.inner.run(&Stream::cpu(), None, args, &[inputs[0].to_host()?])?;
        if !self.scribbles {
            return Ok(outputs);
        }
        let input = inputs[0].buffer().as_any().downcast_ref::<Open>().unwrap();
        // The byte changes nothing that is rounded: only a look at the memory itself can tell.
        input.0.lock().unwrap()[0] ^= 1;
        outputs.iter().map(|output| output.to(stream)).collect()
    }
    fn work(&self, case: &Case) -> Work {
        self.inner.work(case)
    }
}

#[test]
fn changed_inputs_and_work_done_elsewhere_are_found() {
    let stream = Stream::from_driver(Arc::new(OpenStream));
    let failure = |scribbles| {
        let meddler = Meddler { inner: Scale::new(Fault::None), scribbles };
        let case = meddler.cases().remove(0);
        Trial::new(&meddler, case).unwrap().judge(&stream, None).unwrap_err()
    };
    let elsewhere = failure(false);
    assert!(matches!(elsewhere, Failure::Elsewhere { name: "out", got: Device::Cpu, .. }), "{elsewhere}");
    // The second run reads what the first scribbled, so either check may speak first.
    let changed = failure(true);
    assert!(matches!(changed, Failure::InputChanged("x") | Failure::Unrepeatable("out")), "{changed}");
}
