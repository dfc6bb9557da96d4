//! A forward kernel and its backward, one after the other: what a step of training pays, and what libraries that differentiate can be timed on.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

/// Outputs: h, then the gradients of the inputs that every library gives.
const GRADIENTS: usize = 5;

static SPEC: Spec = Spec {
    name: "mlstm_chunkwise+bw",
    family: "mlstm",
    math: "mlstm_chunkwise, then mlstm_chunkwise_bw on the same inputs",
    inputs: &[
        Slot::new("q", "[b, nh, s, dqk]"),
        Slot::new("k", "[b, nh, s, dqk]"),
        Slot::new("v", "[b, nh, s, dv]"),
        Slot::new("i", "[b, nh, s]"),
        Slot::new("f", "[b, nh, s]"),
        Slot::new("dh", "[b, nh, s, dv]"),
    ],
    outputs: &[
        Slot::new("h", "[b, nh, s, dv]"),
        Slot::new("dq", "[b, nh, s, dqk]"),
        Slot::new("dk", "[b, nh, s, dqk]"),
        Slot::new("dv", "[b, nh, s, dv]"),
        Slot::new("di", "[b, nh, s]"),
        Slot::new("df", "[b, nh, s]"),
    ],
    args: &[],
    dtypes: &[DType::F32, DType::Bf16],
};

/// mLSTM, chunkwise, both ways; its cases are those that the backward is timed on.
pub(crate) struct BothWays<'k> {
    forward: &'k dyn Kernel,
    backward: &'k dyn Kernel,
}

impl<'k> BothWays<'k> {
    /// Of these kernels, where both are among them.
    pub(crate) fn of(kernels: &[&'k dyn Kernel]) -> Option<Self> {
        let named = |name: &str| kernels.iter().copied().find(|kernel| kernel.spec().name == name);
        Some(BothWays { forward: named("mlstm_chunkwise")?, backward: named("mlstm_chunkwise_bw")? })
    }

    fn alone(inputs: &[Tensor]) -> Result<&[Tensor]> {
        let needed = SPEC.inputs.len();
        let wrong = || Error::range(SPEC.name, "inputs", needed, inputs.len());
        if inputs.len() == needed { Ok(&inputs[..needed - 1]) } else { Err(wrong()) }
    }
}

impl Kernel for BothWays<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = self.backward.cases();
        cases.retain(|case| case.tier == Tier::Bench && case.data.is_empty());
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        self.backward.inputs(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let mut expected = self.forward.expected(case, Self::alone(inputs)?)?;
        expected.truncate(1);
        expected.extend(self.backward.expected(case, inputs)?.into_iter().take(GRADIENTS));
        Ok(expected)
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (h, gradients) = outputs.split_at(1);
        let mut residuals = self.forward.residuals(case, Self::alone(inputs)?, h)?;
        residuals.extend(self.backward.residuals(case, inputs, gradients)?);
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        let forward = self.forward.support(device, case)?;
        let mut both = self.backward.support(device, case)?;
        both.retain(|variant| forward.contains(variant));
        Ok(both)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        let mut outputs = self.forward.run(stream, variant, args, Self::alone(inputs)?)?;
        outputs.truncate(1);
        outputs.extend(self.backward.run(stream, variant, args, inputs)?.into_iter().take(GRADIENTS));
        Ok(outputs)
    }

    fn work(&self, case: &Case) -> Work {
        let (forward, backward) = (self.forward.work(case), self.backward.work(case));
        Work { flops: forward.flops + backward.flops, bytes: forward.bytes + backward.bytes }
    }
}
