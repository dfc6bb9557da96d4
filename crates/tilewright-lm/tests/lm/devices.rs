//! The GPU bodies, under the emulator, give the CPU's numbers.

use tilewright_core::{DType, Device, Stream};
use tilewright_lm::train::{Options, Trainer};

use crate::tiny::{self, distance};

#[test]
fn the_emulator_reads_writes_and_learns_as_the_cpu_does() {
    // An mLSTM in the first block, an sLSTM in the second.
    let emulated = tilewright_gpu::stream(Device::Emulated).unwrap();
    let cpu = Stream::cpu();
    let texts = tiny::texts(2, 9, 5);
    let run = |stream: &Stream| {
        let model = tiny::mixed_model(stream, DType::F32);
        let (logits, state) = model.logits(&model.tokens(&texts).unwrap(), None).unwrap();
        let (next, _) = model.next(&model.tokens(&[[3u32], [4]]).unwrap(), Some(&state)).unwrap();
        let options = Options { steps: 1, batch: 1, context: 6, ..Options::default() };
        let mut trainer = Trainer::new(model, tiny::texts(1, 30, 1).remove(0), options).unwrap();
        let step = trainer.step().unwrap();
        (logits, next, step, trainer)
    };
    let (theirs, ours) = (run(&emulated), run(&cpu));
    assert_eq!(theirs.0.device(), Device::Emulated);
    assert!(distance(&theirs.0, &ours.0) < 2e-5 && distance(&theirs.1, &ours.1) < 2e-5);
    assert!((theirs.2.loss - ours.2.loss).abs() < 1e-5 && (theirs.2.norm / ours.2.norm - 1.0).abs() < 1e-4);
    // A first step of AdamW moves a weight by the rate times the sign of its gradient, nearly, so that noise around 0 may turn it: the rate bounds what may differ.
    let places = theirs.3.model().weights().all().into_iter().zip(ours.3.model().weights().all());
    for ((name, emulated), (_, cpu)) in places {
        assert!(distance(emulated, cpu) <= 2.1 * theirs.2.rate, "{name}");
    }
}
