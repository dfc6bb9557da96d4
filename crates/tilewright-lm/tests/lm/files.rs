//! Models on disk: single, in several files, fused; and what is none.

use std::collections::BTreeMap;
use std::fs;

use tilewright_core::{DType, Stream, Tensor, read_safetensors, write_safetensors};
use tilewright_lm::{Config, Model, Weights};

use crate::tiny;

fn bits(model: &Model) -> Vec<Vec<u8>> {
    model.weights().all().into_iter().map(|(_, tensor)| tensor.to_bytes().unwrap()).collect()
}

#[test]
fn one_file_and_several_hold_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny::model(&Stream::cpu(), DType::Bf16);
    model.save_sharded(folder.path(), 500).unwrap();
    let shards = fs::read_dir(folder.path()).unwrap().flatten();
    let shards = shards.filter(|file| file.file_name().to_string_lossy().starts_with("model-0000")).count();
    assert!(shards > 3, "{shards}");
    let read = Model::load(folder.path(), &Stream::cpu(), None).unwrap();
    assert_eq!((bits(&read), read.dtype(), read.config()), (bits(&model), DType::Bf16, model.config()));

    model.save(folder.path()).unwrap();
    assert!(!folder.path().join("model.safetensors.index.json").exists());
    assert_eq!(bits(&Model::load(folder.path(), &Stream::cpu(), None).unwrap()), bits(&model));
    let names: Vec<String> =
        read_safetensors(folder.path().join("model.safetensors")).unwrap().into_keys().collect();
    assert!(names.contains(&"backbone.blocks.1.mlstm_layer.multihead_norm.weight".to_owned()), "{names:?}");
}

#[test]
fn a_mixed_model_round_trips_and_its_config_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny::mixed_model(&Stream::cpu(), DType::F32);
    model.save(folder.path()).unwrap();
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    assert!(config.contains("slstm_at") && !config.contains("conv1d_kernel_size"), "{config}");
    let read = Model::load(folder.path(), &Stream::cpu(), None).unwrap();
    assert_eq!((bits(&read), read.config()), (bits(&model), model.config()));
    // The same weights are none of a model of mLSTMs.
    tiny::config().write(folder.path().join("config.json")).unwrap();
    let error = Model::load(folder.path(), &Stream::cpu(), None).unwrap_err().to_string();
    assert!(error.contains("backbone.blocks.1.norm_mlstm.weight is nothing"), "{error}");
}

#[test]
fn a_tied_model_has_no_head_of_its_own() {
    let (folder, cpu) = (tempfile::tempdir().unwrap(), Stream::cpu());
    let weights = tiny::weights(&tiny::tied(), 3);
    let model = Model::from_weights(tiny::tied(), &cpu, &weights, Some(DType::F32)).unwrap();
    model.save(folder.path()).unwrap();
    let file = folder.path().join("model.safetensors");
    let mut held = read_safetensors(&file).unwrap();
    assert!(!held.contains_key("lm_head.weight"));
    let read = Model::load(folder.path(), &cpu, None).unwrap();
    assert_eq!((bits(&read), read.config()), (bits(&model), model.config()));

    // Logits are those of a model whose head is the same matrix.
    let own = Weights { head: Some(weights.embeddings.clone()), ..weights };
    let apart = Model::from_weights(tiny::config(), &cpu, &own, Some(DType::F32)).unwrap();
    let logits = |model: &Model| {
        let tokens = model.tokens(&tiny::texts(2, 5, 1)).unwrap();
        model.logits(&tokens, None).unwrap().0.to_bytes().unwrap()
    };
    assert_eq!(logits(&read), logits(&apart));

    // A head that a file has all the same is passed over.
    held.insert("lm_head.weight".to_owned(), Tensor::zeros(DType::F32, [11, 8]).unwrap());
    write_safetensors(&file, held.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
    assert_eq!(bits(&Model::load(folder.path(), &cpu, None).unwrap()), bits(&model));
}

#[test]
fn fused_projections_are_taken_apart() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny::model(&Stream::cpu(), DType::F32);
    let mut all: BTreeMap<String, Tensor> =
        model.weights().all().into_iter().map(|(name, tensor)| (name, tensor.clone())).collect();
    for block in 0..2 {
        let before = format!("backbone.blocks.{block}.");
        for (whole, parts) in [
            (
                "mlstm_layer.qkv_opreact.weight",
                &[
                    "mlstm_layer.q.weight",
                    "mlstm_layer.k.weight",
                    "mlstm_layer.v.weight",
                    "mlstm_layer.ogate_preact.weight",
                ][..],
            ),
            (
                "mlstm_layer.ifgate_preact.weight",
                &["mlstm_layer.igate_preact.weight", "mlstm_layer.fgate_preact.weight"],
            ),
            (
                "mlstm_layer.ifgate_preact.bias",
                &["mlstm_layer.igate_preact.bias", "mlstm_layer.fgate_preact.bias"],
            ),
            ("ffn.proj_up_gate_z.weight", &["ffn.proj_up_gate.weight", "ffn.proj_up.weight"]),
        ] {
            let parts: Vec<Tensor> =
                parts.iter().map(|part| all.remove(&format!("{before}{part}")).unwrap()).collect();
            let values: Vec<f32> = parts.iter().flat_map(|part| part.to_vec::<f32>().unwrap()).collect();
            let mut shape = parts[0].dims().to_vec();
            shape[0] = parts.iter().map(|part| part.dims()[0]).sum();
            all.insert(format!("{before}{whole}"), Tensor::from_vec(values, shape).unwrap());
        }
    }
    let tensors = all.iter().map(|(name, tensor)| (name.as_str(), tensor));
    write_safetensors(folder.path().join("model.safetensors"), tensors).unwrap();
    let config = Config { weight_mode: "fused".into(), ..tiny::config() };
    config.write(folder.path().join("config.json")).unwrap();
    assert_eq!(bits(&Model::load(folder.path(), &Stream::cpu(), None).unwrap()), bits(&model));
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Model::load(folder.path(), &Stream::cpu(), None).unwrap_err().to_string();
    assert!(load().contains("config.json"), "{}", load());
    tiny::config().write(folder.path().join("config.json")).unwrap();
    assert!(load().contains("model.safetensors"), "{}", load());

    let model = tiny::model(&Stream::cpu(), DType::F32);
    model.save(folder.path()).unwrap();
    let file = folder.path().join("model.safetensors");
    let whole = fs::read(&file).unwrap();
    for length in [0, 7, 100, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(load().contains("model.safetensors"), "{length}: {}", load());
    }
    let mut damaged = whole.clone();
    damaged[..8].fill(0xff);
    fs::write(&file, damaged).unwrap();
    assert!(load().contains("model.safetensors"), "{}", load());

    let all = model.weights().all();
    let write = |change: &dyn Fn(&mut BTreeMap<&str, Tensor>)| {
        let mut tensors = all.iter().map(|(name, tensor)| (name.as_str(), (*tensor).clone())).collect();
        change(&mut tensors);
        write_safetensors(&file, tensors.iter().map(|(name, tensor)| (*name, tensor))).unwrap();
        load()
    };
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let missing = write(&|all| drop(all.remove("backbone.blocks.1.ffn.proj_up.weight")));
    assert!(missing.contains("backbone.blocks.1.ffn.proj_up.weight is nothing"), "{missing}");
    let unknown = write(&|all| drop(all.insert("backbone.blocks.7.x", zeros(DType::F32, &[1]))));
    assert!(unknown.contains("backbone.blocks.7.x is an unknown one"), "{unknown}");
    let shape = write(&|all| drop(all.insert("lm_head.weight", zeros(DType::F32, &[8, 11]))));
    assert!(shape.contains("lm_head.weight has shape [8, 11], expected [11, 8]"), "{shape}");
    let dtype = write(&|all| drop(all.insert("lm_head.weight", zeros(DType::I32, &[11, 8]))));
    assert!(dtype.contains("lm_head.weight has dtype i32"), "{dtype}");

    let index = folder.path().join("model.safetensors.index.json");
    for (text, part) in [("{", "index.json"), (r#"{"weight_map":{"a":"../a.safetensors"}}"#, "not beside it")]
    {
        fs::write(&index, text).unwrap();
        assert!(load().contains(part), "{}", load());
    }
}
