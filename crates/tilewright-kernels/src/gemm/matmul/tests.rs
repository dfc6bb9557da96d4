//! What cases cannot say: which argument an error names, and that views and forms agree to the bit.

use tilewright_core::{Args, DType, Device, Kind, Result, Stream, Tensor};

use super::super::Tile;
use super::{KERNEL, Matmul, matmul};

fn ramp(dims: &[usize], dtype: DType) -> Tensor {
    let elements: usize = dims.iter().product();
    let values: Vec<f64> = (0..elements).map(|i| ((i * 37 + 11) % 64) as f64 / 32.0 - 1.0).collect();
    Tensor::from_f64(&values, dtype, dims).unwrap()
}

fn on_cpu(a: &Tensor, b: &Tensor, c: Option<&Tensor>, args: &Matmul) -> Result<Tensor> {
    matmul(&Stream::cpu(), a, b, c, args)
}

#[test]
fn errors_name_the_argument() {
    let (a, b) = (ramp(&[2, 3, 5], DType::F32), ramp(&[2, 5, 4], DType::F32));
    let f64s = ramp(&[5, 4], DType::F64);
    let beta = Matmul { beta: 0.5, ..Matmul::default() };
    let c = |dims: &[usize]| ramp(dims, DType::F32);
    let with = |tile: &str| Matmul { tile: Some(tile.parse().unwrap()), ..Matmul::default() };
    let out = |dtype| Matmul { out_dtype: Some(dtype), ..Matmul::default() };
    let plain = Matmul::default();
    for (result, expected) in [
        (on_cpu(&c(&[5]), &b, None, &plain), "a has shape [5], expected at least 2 axes"),
        (on_cpu(&a, &c(&[5]), None, &plain), "b has shape [5], expected at least 2 axes"),
        (on_cpu(&a, &a, None, &plain), "b has shape [2, 3, 5], expected [.., 5, n]"),
        (
            on_cpu(&a, &b, None, &Matmul { transpose_b: true, ..plain.clone() }),
            "b has shape [2, 5, 4], expected [.., n, 5]",
        ),
        (
            on_cpu(&a, &c(&[3, 5, 4]), None, &plain),
            "b has shape [3, 5, 4], expected leading axes that broadcast with [2]",
        ),
        (on_cpu(&a, &f64s, None, &plain), "b has dtype f64, expected f32, as a has"),
        (
            on_cpu(&ramp(&[3, 5], DType::I32), &b, None, &plain),
            "a has dtype i32, expected f64, f32, f16, bf16",
        ),
        (on_cpu(&a, &b, None, &out(DType::I8)), "out_dtype is i8, expected one of f32, f16, bf16"),
        (on_cpu(&f64s, &f64s, None, &out(DType::F32)), "out_dtype is f32, expected f64"),
        (on_cpu(&a, &b, None, &beta), "c: missing, and beta is 0.5"),
        (on_cpu(&a, &b, Some(&c(&[4])), &beta), "c has shape [4], expected at least 2 axes"),
        (on_cpu(&a, &b, Some(&c(&[3, 5])), &beta), "c has shape [3, 5], expected [.., 3, 4]"),
        (
            on_cpu(&a, &b, Some(&c(&[5, 3, 4])), &beta),
            "c has shape [5, 3, 4], expected broadcastable to [2, 3, 4]",
        ),
        (on_cpu(&a, &b, Some(&ramp(&[3, 4], DType::Bf16)), &beta), "c has dtype bf16, expected f32"),
        (on_cpu(&a, &b, None, &with("64x64x16/3x4")), "tile: 64x64x16/3x4: the depth must be positive"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.operation(), "matmul");
        assert!(error.to_string().contains(expected), "{error}");
    }
    // With beta 0 a c is not looked at.
    on_cpu(&a, &b, Some(&c(&[7])), &plain).unwrap();
}

#[test]
fn a_tensor_elsewhere_is_named() {
    let (a, b) = (ramp(&[2, 3], DType::F32), ramp(&[3, 2], DType::F32));
    let stream = tilewright_gpu::stream(Device::Emulated).unwrap();
    let there = b.to(&stream).unwrap();
    let error = on_cpu(&a, &there, None, &Matmul::default()).unwrap_err();
    assert!(error.to_string().contains("b: lies on emulated, the stream is on cpu"), "{error}");
    let error = matmul(&stream, &a, &there, None, &Matmul::default()).unwrap_err();
    assert!(error.to_string().contains("a: lies on cpu"), "{error}");
    let doubles = ramp(&[2, 2], DType::F64).to(&stream).unwrap();
    let error = matmul(&stream, &doubles, &doubles, None, &Matmul::default()).unwrap_err();
    assert!(matches!(error.kind(), Kind::Unsupported { device: Device::Emulated, .. }), "{error}");
}

#[test]
fn arguments_by_name_are_checked() {
    let inputs = [ramp(&[2, 3], DType::F32), ramp(&[3, 2], DType::F32)];
    let run = |args: Args| KERNEL.run(&Stream::cpu(), None, &args, &inputs).unwrap_err().to_string();
    for (args, expected) in [
        (Args::new().set("transpose", true), "argument name"),
        (Args::new().set("alpha", "big"), "alpha is big"),
        (Args::new().set("out_dtype", "f8"), "f8"),
        (Args::new().set("tile", "64"), "ROWSxCOLUMNS"),
    ] {
        let error = run(args);
        assert!(error.contains(expected), "{error}");
    }
    let error = KERNEL.run(&Stream::cpu(), Some("portable"), &Args::new(), &inputs).unwrap_err();
    assert!(error.to_string().contains("variant is \"portable\", expected cpu"), "{error}");
}

#[test]
fn a_transposed_view_is_the_flag() {
    let cpu = Stream::cpu();
    let flags = Matmul { transpose_a: true, transpose_b: true, ..Matmul::default() };
    for dtype in [DType::F32, DType::Bf16] {
        // aᵀ and bᵀ as they lie, told by flags or by views.
        let (a, b) = (ramp(&[3, 45, 70], dtype), ramp(&[81, 45], dtype));
        let by_flag = matmul(&cpu, &a, &b, None, &flags).unwrap();
        let (a, b) = (a.transpose().unwrap(), b.transpose().unwrap());
        let by_view = matmul(&cpu, &a, &b, None, &Matmul::default()).unwrap();
        assert_eq!(by_flag.dims(), [3, 70, 81]);
        assert_eq!(by_flag.to_bytes().unwrap(), by_view.to_bytes().unwrap());
    }
}

#[test]
fn batched_is_one_by_one() {
    let cpu = Stream::cpu();
    let (a, b) = (ramp(&[2, 3, 40, 33], DType::F16), ramp(&[3, 33, 21], DType::F16));
    let all = matmul(&cpu, &a, &b, None, &Matmul::default()).unwrap();
    for i in 0..2 {
        for j in 0..3 {
            let a = a.select(0, i).unwrap().select(0, j).unwrap();
            let one = matmul(&cpu, &a, &b.select(0, j).unwrap(), None, &Matmul::default()).unwrap();
            let part = all.select(0, i).unwrap().select(0, j).unwrap();
            assert_eq!(one.to_bytes().unwrap(), part.to_bytes().unwrap(), "batch {i}, {j}");
        }
    }
}

#[test]
fn a_repeated_row_is_read_where_it_lies() {
    // Stride 0 along rows, and along terms.
    let row = ramp(&[1, 7], DType::F32).broadcast_to([5, 7]).unwrap();
    let column = ramp(&[6, 1], DType::F32).broadcast_to([6, 7]).unwrap();
    let args = Matmul { transpose_b: true, ..Matmul::default() };
    let by_view = on_cpu(&row, &column, None, &args).unwrap();
    let cpu = Stream::cpu();
    let by_copy = on_cpu(&row.to(&cpu).unwrap(), &column.to(&cpu).unwrap(), None, &args).unwrap();
    assert_eq!(by_view.to_vec::<f32>().unwrap(), by_copy.to_vec::<f32>().unwrap());
}

#[test]
fn tiles_are_as_rectangular_as_they_say() {
    let stream = tilewright_gpu::stream(Device::Emulated).unwrap();
    let (a, b) = (ramp(&[33, 5], DType::F32), ramp(&[5, 30], DType::F32));
    let truth = on_cpu(&a, &b, None, &Matmul::default()).unwrap().to_vec::<f32>().unwrap();
    let (a, b) = (a.to(&stream).unwrap(), b.to(&stream).unwrap());
    for tile in [Tile::new(32, 32, 16, 4, 4), Tile::new(64, 32, 8, 8, 4)] {
        let args = Matmul { tile: Some(tile), ..Matmul::default() };
        let out = matmul(&stream, &a, &b, None, &args).unwrap().to_vec::<f32>().unwrap();
        let worst = out.iter().zip(&truth).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        // Five terms of magnitude at most 1, rounded in any order.
        assert!(worst <= 5.0 * 5.0 * f32::EPSILON, "{tile}: {worst}");
    }
}
