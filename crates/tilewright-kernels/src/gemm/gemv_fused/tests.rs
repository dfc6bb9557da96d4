//! What cases cannot say: which argument an error names, and which vectors fit.

use tilewright_core::{DType, Device, Stream, Tensor};

use super::{After, Before, FusedMaps, fits, gemv_fused};

#[test]
fn errors_name_the_argument() {
    let zeros = |dtype, dims: &[usize]| Tensor::zeros(dtype, dims).unwrap();
    let f32 = |dims: &[usize]| zeros(DType::F32, dims);
    let (x, w, other, short) = (f32(&[6]), f32(&[4, 6]), f32(&[5, 6]), f32(&[5]));
    let plain = FusedMaps::of(&x, &[]);
    let heads = f32(&[4, 1]);
    let error = |maps: &FusedMaps<'_>| {
        let error = gemv_fused(&Stream::cpu(), maps).unwrap_err();
        assert_eq!(error.operation(), "gemv_fused");
        error.to_string()
    };
    for (found, part) in [
        (error(&plain), "maps is 0, expected 1 to 4"),
        (error(&FusedMaps::of(&w, &[&w])), "x has shape [4, 6], expected [k]"),
        (error(&FusedMaps::of(&short, &[&w])), "maps has shape [4, 6], expected [4, 5]"),
        (error(&FusedMaps::of(&x, &[&zeros(DType::F16, &[4, 6])])), "maps has dtype f16, expected f32"),
        (
            error(&FusedMaps {
                before: Before::RmsNorm { weight: &short, eps: 0.0 },
                ..FusedMaps::of(&x, &[&w])
            }),
            "weight has shape [5], expected [6]",
        ),
        (
            error(&FusedMaps {
                before: Before::RmsNorm { weight: &x, eps: -1.0 },
                ..FusedMaps::of(&x, &[&w])
            }),
            "eps is -1",
        ),
        (
            error(&FusedMaps {
                before: Before::GatedHeads { weight: &heads, gate: &x, eps: 0.0 },
                ..FusedMaps::of(&x, &[&w])
            }),
            "weight has shape [4, 1], expected [nh, 6 / nh]",
        ),
        (
            error(&FusedMaps { after: After::Glu, ..FusedMaps::of(&x, &[&w, &other]) }),
            "maps is 2, expected two of one shape",
        ),
        (
            error(&FusedMaps { after: After::Plus(&short), ..FusedMaps::of(&x, &[&w]) }),
            "plus has shape [5], expected [4]",
        ),
        (error(&FusedMaps { after: After::Cap(0.0), ..FusedMaps::of(&x, &[&w]) }), "cap is 0"),
        (
            error(&FusedMaps { gates: &[(&w, &x)], ..FusedMaps::of(&x, &[&w]) }),
            "bias has shape [6], expected [4]",
        ),
        (error(&FusedMaps { out_dtype: Some(DType::F64), ..FusedMaps::of(&x, &[&w]) }), "out_dtype is f64"),
    ] {
        assert!(found.contains(part), "{found}");
    }
}

#[test]
fn a_vector_that_a_group_cannot_hold_is_refused() {
    let emulated = tilewright_gpu::stream(Device::Emulated).unwrap();
    let zeros = |dims: &[usize]| Tensor::zeros(DType::F32, dims).unwrap().to(&emulated).unwrap();
    let k = 100_000;
    assert!(fits(Device::Cpu, k, DType::F32).unwrap() && !fits(Device::Emulated, k, DType::F32).unwrap());
    let (x, w) = (zeros(&[k]), zeros(&[1, k]));
    let before = Before::RmsNorm { weight: &x, eps: 0.0 };
    let error = gemv_fused(&emulated, &FusedMaps { before, ..FusedMaps::of(&x, &[&w]) }).unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("do not fit"), "{error}");
}
