//! Against Hugging Face's own xLSTM: `tests/hugging_face/make.py` made the files.

use std::path::Path;

use tilewright_core::{DType, Stream, read_safetensors};
use tilewright_lm::{Generation, Greedy, Model, generate};

use crate::tiny::distance;

#[test]
fn logits_and_greedy_texts_are_those_of_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hugging_face");
    let expected = read_safetensors(folder.join("expected.safetensors")).unwrap();
    let rows = |name: &str| -> Vec<Vec<u32>> {
        let tensor = &expected[name];
        let all = tensor.to_vec::<i64>().unwrap();
        all.chunks(tensor.dims()[1]).map(|row| row.iter().map(|&token| token as u32).collect()).collect()
    };
    let prompts = rows("prompts");
    for (dtype, tolerance) in [(DType::F64, 3e-5), (DType::F32, 3e-5)] {
        let model = Model::load(&folder, &Stream::cpu(), Some(dtype)).unwrap();
        let (logits, _) = model.logits(&model.tokens(&prompts).unwrap(), None).unwrap();
        // Theirs are f32, of up to 4.7, through two blocks.
        let error = distance(&logits, &expected["logits"]);
        assert!(error < tolerance, "{dtype}: {error}");
        let options = Generation { tokens: 12, ..Generation::default() };
        let written = generate(&model, &prompts, &options, &mut Greedy, |_, _| true).unwrap();
        assert_eq!(written, rows("greedy"), "{dtype}");
    }
    // In 8 bits of precision, through exponentials of gates: near on the whole.
    let model = Model::load(&folder, &Stream::cpu(), Some(DType::Bf16)).unwrap();
    let (logits, _) = model.logits(&model.tokens(&prompts).unwrap(), None).unwrap();
    let (found, expected) = (logits.to_f64_vec().unwrap(), expected["logits"].to_f64_vec().unwrap());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let error =
        square(&mut found.iter().zip(&expected).map(|(a, b)| a - b)) / square(&mut expected.iter().copied());
    assert!(error > 1e-4 && error < 0.1, "bf16: {error}");
}
