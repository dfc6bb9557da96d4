//! Ten bodies of the usual kinds, written as `mx.fast.metal_kernel` takes them, unchanged on every device that is there.

mod common;

use tilewright_core::{DType, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

fn program(name: &'static str, body: &'static str, define: impl FnOnce(Definition) -> Definition) -> Program {
    Program::new(define(Definition::new(name, body).mlx_inputs())).unwrap()
}

/// Numbers without a pattern that a wrong index would keep.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + 13) % 1009) as f32 / 100.0 - 5.0).collect()
}

fn upload(stream: &Stream, values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape).unwrap().to(stream).unwrap()
}

fn assert_close(stream: &Stream, got: &Tensor, expected: &[f64], tolerance: f64) {
    let got = got.to_f64_vec().unwrap();
    assert_eq!(got.len(), expected.len());
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(
            error <= tolerance * expected.abs().max(1.0),
            "{}: element {index} is {got}, not {expected}",
            stream.device()
        );
    }
}

#[test]
fn elementwise() {
    let exp = program(
        "my_exp",
        "uint elem = thread_position_in_grid.x;\n T tmp = inp[elem];\n out[elem] = metal::exp(tmp);",
        |d| d.template("T").input("inp").output_like("out", "inp"),
    );
    for stream in common::streams() {
        let x = numbers(1000);
        let inp = upload(&stream, &x, &[4, 250]);
        let out = exp.launch(&stream).template("T", DType::F32).input("inp", &inp);
        let out = out.grid(Grid::threads([1000, 1, 1]), [256, 1, 1]).run_one().unwrap();
        assert_eq!(out.dims(), [4, 250]);
        assert_close(&stream, &out, &x.iter().map(|&x| f64::from(x).exp()).collect::<Vec<_>>(), 1e-6);
    }
}

#[test]
fn strided() {
    // The example of MLX's own documentation.
    let body = "uint elem = thread_position_in_grid.x;\n\
                // Utils from `mlx/backend/metal/kernels/utils.h` are automatically included\n\
                uint loc = elem_to_loc(elem, inp_shape, inp_strides, inp_ndim);\n\
                T tmp = inp[loc];\n\
                // Output arrays are always row contiguous\n\
                out[elem] = metal::exp(tmp);";
    let strided = program("myexp_strided", body, |d| {
        d.template("T").input("inp").output_like("out", "inp").any_strides()
    });
    for stream in common::streams() {
        let x = numbers(24);
        let inp = upload(&stream, &x, &[2, 3, 4]).permute(&[2, 0, 1]).unwrap();
        let launch = strided.launch(&stream).template("T", DType::F32).input("inp", &inp);
        let out = launch.grid(Grid::threads([24, 1, 1]), [32, 1, 1]).run_one().unwrap();
        let expected: Vec<f64> = inp.to_f64_vec().unwrap().iter().map(|x| x.exp()).collect();
        assert_close(&stream, &out, &expected, 1e-6);
    }
}

#[test]
fn reduction_with_simd_sum() {
    let body = "uint row = threadgroup_position_in_grid.x;\n uint tid = thread_position_in_threadgroup.x;\n\
                threadgroup float partial[32];\n\
                float acc = 0.0;\n\
                for (int i = tid; i < N; i += int(threads_per_threadgroup.x)) { acc += float(x[row * N + i]); }\n\
                acc = simd_sum(acc);\n\
                if (thread_index_in_simdgroup == 0) { partial[simdgroup_index_in_threadgroup] = acc; }\n\
                threadgroup_barrier(mem_flags::mem_threadgroup);\n\
                if (simdgroup_index_in_threadgroup == 0) {\n\
                  acc = thread_index_in_simdgroup < (threads_per_threadgroup.x + 31) / 32 ? partial[thread_index_in_simdgroup] : 0.0;\n\
                  acc = simd_sum(acc);\n\
                  if (tid == 0) { out[row] = acc; }\n\
                }";
    let sum = program("row_sum", body, |d| d.template("N").input("x").output("out"));
    for stream in common::streams() {
        for (rows, columns) in [(3, 1000), (2, 31), (5, 129)] {
            let x = numbers(rows * columns);
            let input = upload(&stream, &x, &[rows, columns]);
            let launch = sum.launch(&stream).template("N", columns).input("x", &input).output(
                "out",
                DType::F32,
                [rows],
            );
            let out = launch.grid(Grid::groups([rows, 1, 1]), [128, 1, 1]).run_one().unwrap();
            let expected: Vec<f64> =
                x.chunks(columns).map(|row| row.iter().map(|&x| f64::from(x)).sum()).collect();
            assert_close(&stream, &out, &expected, 1e-4);
        }
    }
}

#[test]
fn tiled_matmul_with_threadgroup_memory() {
    let body = "threadgroup T a_tile[TILE][TILE + 1], b_tile[TILE][TILE + 1];\n\
                uint2 at = thread_position_in_threadgroup.xy;\n\
                uint row = threadgroup_position_in_grid.y * TILE + at.y;\n\
                uint col = threadgroup_position_in_grid.x * TILE + at.x;\n\
                uint M = a_shape[0], K = a_shape[1], N = b_shape[1];\n\
                float acc = 0;\n\
                for (uint k0 = 0; k0 < K; k0 += TILE) {\n\
                  a_tile[at.y][at.x] = row < M && k0 + at.x < K ? a[row * K + k0 + at.x] : T(0);\n\
                  b_tile[at.y][at.x] = k0 + at.y < K && col < N ? b[(k0 + at.y) * N + col] : T(0);\n\
                  threadgroup_barrier(mem_flags::mem_threadgroup);\n\
                  for (int k = 0; k < TILE; ++k) { acc = fma(float(a_tile[at.y][k]), float(b_tile[k][at.x]), acc); }\n\
                  threadgroup_barrier(mem_flags::mem_threadgroup);\n\
                }\n\
                if (row < M && col < N) { c[row * N + col] = T(acc); }";
    let matmul =
        program("matmul_tiled", body, |d| d.template("T").template("TILE").input("a").input("b").output("c"));
    for stream in common::streams() {
        let (m, n, k) = (19, 23, 37);
        let (a, b) = (numbers(m * k), numbers(k * n));
        let (left, right) = (upload(&stream, &a, &[m, k]), upload(&stream, &b, &[k, n]));
        let launch = matmul.launch(&stream).template("T", DType::F32).template("TILE", 8usize);
        let launch = launch.input("a", &left).input("b", &right).output("c", DType::F32, [m, n]);
        let c = launch.grid(Grid::groups([n.div_ceil(8), m.div_ceil(8), 1]), [8, 8, 1]).run_one().unwrap();
        let dot = |i: usize, j: usize| {
            (0..k).map(|l| f64::from(a[i * k + l]) * f64::from(b[l * n + j])).sum::<f64>()
        };
        let expected: Vec<f64> = (0..m * n).map(|index| dot(index / n, index % n)).collect();
        assert_close(&stream, &c, &expected, 1e-4);
    }
}

#[test]
fn atomics_histogram() {
    let body = "uint i = thread_position_in_grid.x;\n\
                atomic_fetch_add_explicit(&counts[values[i] % BINS], 1u, memory_order_relaxed);";
    let histogram =
        program("histogram", body, |d| d.template("BINS").input("values").output("counts").atomic_outputs());
    for stream in common::streams() {
        let values: Vec<u32> = (0..5000u32).map(|i| i.wrapping_mul(2654435761) >> 7).collect();
        let input = Tensor::from_slice(&values, [5000]).unwrap().to(&stream).unwrap();
        let launch = histogram.launch(&stream).template("BINS", 17usize).input("values", &input);
        let launch = launch.output("counts", DType::U32, [17]).initial_value(0.0);
        let counts = launch.grid(Grid::threads([5000, 1, 1]), [64, 1, 1]).run_one().unwrap();
        let mut expected = vec![0u32; 17];
        values.iter().for_each(|value| expected[(value % 17) as usize] += 1);
        assert_eq!(counts.to_vec::<u32>().unwrap(), expected, "{}", stream.device());
    }
}

#[test]
fn scan() {
    // One group a row: scan within each SIMD group, then across their totals.
    let body = "threadgroup float totals[32];\n\
                uint tid = thread_position_in_threadgroup.x, row = threadgroup_position_in_grid.x;\n\
                float value = tid < uint(N) ? x[row * N + tid] : 0.0f;\n\
                float prefix = simd_prefix_inclusive_sum(value);\n\
                if (thread_index_in_simdgroup == 31) { totals[simdgroup_index_in_threadgroup] = prefix; }\n\
                threadgroup_barrier(mem_flags::mem_threadgroup);\n\
                if (simdgroup_index_in_threadgroup == 0) {\n\
                  float total = thread_index_in_simdgroup < 128 / 32 ? totals[thread_index_in_simdgroup] : 0;\n\
                  totals[thread_index_in_simdgroup] = simd_prefix_exclusive_sum(total);\n\
                }\n\
                threadgroup_barrier(mem_flags::mem_threadgroup);\n\
                if (tid < uint(N)) { out[row * N + tid] = prefix + totals[simdgroup_index_in_threadgroup]; }";
    let scan = program("scan_rows", body, |d| d.template("N").input("x").output_like("out", "x"));
    for stream in common::streams() {
        let x = numbers(3 * 100);
        let input = upload(&stream, &x, &[3, 100]);
        let launch = scan.launch(&stream).template("N", 100usize).input("x", &input);
        let out = launch.grid(Grid::groups([3, 1, 1]), [128, 1, 1]).run_one().unwrap();
        let running = |row: &[f32]| {
            row.iter()
                .scan(0.0, |sum, &x| {
                    *sum += f64::from(x);
                    Some(*sum)
                })
                .collect::<Vec<_>>()
        };
        assert_close(&stream, &out, &x.chunks(100).flat_map(running).collect::<Vec<_>>(), 1e-5);
    }
}

#[test]
fn transpose() {
    let body = "threadgroup half tile[32][33];\n\
                uint2 group = threadgroup_position_in_grid.xy, at = thread_position_in_threadgroup.xy;\n\
                uint rows = x_shape[0], cols = x_shape[1];\n\
                for (uint j = at.y; j < 32; j += 8) {\n\
                  uint r = group.y * 32 + j, c = group.x * 32 + at.x;\n\
                  if (r < rows && c < cols) { tile[j][at.x] = x[r * cols + c]; }\n\
                }\n\
                threadgroup_barrier(mem_flags::mem_threadgroup);\n\
                for (uint j = at.y; j < 32; j += 8) {\n\
                  uint r = group.x * 32 + j, c = group.y * 32 + at.x;\n\
                  if (r < cols && c < rows) { y[r * rows + c] = tile[at.x][j]; }\n\
                }";
    let transpose = program("transpose_half", body, |d| d.input("x").output("y"));
    for stream in common::streams() {
        let values: Vec<f64> = (0..45 * 70).map(f64::from).map(|x| x / 8.0).collect();
        let x = Tensor::from_f64(&values, DType::F16, [45, 70]).unwrap();
        let input = x.to(&stream).unwrap();
        let launch = transpose.launch(&stream).input("x", &input).output("y", DType::F16, [70, 45]);
        let y = launch.grid(Grid::groups([3, 2, 1]), [32, 8, 1]).run_one().unwrap();
        assert_eq!(y.to_bytes().unwrap(), x.transpose().unwrap().to_bytes().unwrap(), "{}", stream.device());
    }
}

#[test]
fn softmax_row() {
    // One SIMD group a row; -inf masks must come out as exact zeros.
    let body = "uint row = thread_position_in_grid.y, lane = thread_index_in_simdgroup;\n\
                auto source = x + row * N;\n\
                float largest = -INFINITY;\n\
                for (int i = lane; i < N; i += 32) { largest = max(largest, float(source[i])); }\n\
                largest = simd_max(largest);\n\
                float total = 0;\n\
                for (int i = lane; i < N; i += 32) { total += fast::exp(float(source[i]) - largest); }\n\
                total = simd_sum(total);\n\
                for (int i = lane; i < N; i += 32) { y[row * N + i] = static_cast<T>(fast::exp(float(source[i]) - largest) / total); }";
    let softmax =
        program("softmax_rows", body, |d| d.template("T").template("N").input("x").output_like("y", "x"));
    for stream in common::streams() {
        let (rows, columns) = (5, 77);
        let mut values: Vec<f64> = numbers(rows * columns).into_iter().map(f64::from).collect();
        values.iter_mut().step_by(7).for_each(|value| *value = f64::NEG_INFINITY);
        let x = Tensor::from_f64(&values, DType::Bf16, [rows, columns]).unwrap();
        let input = x.to(&stream).unwrap();
        let launch =
            softmax.launch(&stream).template("T", DType::Bf16).template("N", columns).input("x", &input);
        let y = launch.grid(Grid::threads([32, rows, 1]), [32, 1, 1]).run_one().unwrap();
        let row = |row: &[f64]| {
            let total: f64 = row.iter().map(|x| x.exp()).sum();
            row.iter().map(|x| x.exp() / total).collect::<Vec<_>>()
        };
        let expected: Vec<f64> = x.to_f64_vec().unwrap().chunks(columns).flat_map(row).collect();
        let got = y.to_f64_vec().unwrap();
        assert!(
            got.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() <= expected / 200.0),
            "{}",
            stream.device()
        );
    }
}

#[test]
fn gather() {
    let body = "uint2 at = thread_position_in_grid.xy;\n\
                int index = indices[at.y];\n\
                if (index < 0) { index += table_shape[0]; }\n\
                out[at.y * D + at.x] = table[index * D + at.x];";
    let gather =
        program("gather_rows", body, |d| d.template("D").input("table").input("indices").output("out"));
    for stream in common::streams() {
        let table: Vec<f32> = numbers(11 * 6);
        let indices = [3i32, -1, 0, 10, 3];
        let rows = upload(&stream, &table, &[11, 6]);
        let at = Tensor::from_slice(&indices, [5]).unwrap().to(&stream).unwrap();
        let launch = gather.launch(&stream).template("D", 6usize).input("table", &rows).input("indices", &at);
        let out = launch
            .output("out", DType::F32, [5, 6])
            .grid(Grid::threads([6, 5, 1]), [4, 2, 1])
            .run_one()
            .unwrap();
        let expected: Vec<f32> =
            indices.iter().flat_map(|&i| table[i.rem_euclid(11) as usize * 6..][..6].to_vec()).collect();
        assert_eq!(out.to_vec::<f32>().unwrap(), expected, "{}", stream.device());
    }
}

#[test]
fn in_place_update() {
    let body = "uint i = thread_position_in_grid.x;\n state[i] = decay * state[i] + x[i];";
    let update = program("decay_add", body, |d| d.input("x").scalar("decay", DType::F32).in_place("state"));
    for stream in common::streams() {
        let x = numbers(100);
        let input = upload(&stream, &x, &[100]);
        let mut state = upload(&stream, &vec![1.0; 100], &[100]);
        for _ in 0..2 {
            let launch = update
                .launch(&stream)
                .input("x", &input)
                .scalar("decay", 0.5f32)
                .in_place("state", &mut state);
            assert!(launch.grid(Grid::threads([100, 1, 1]), [32, 1, 1]).run().unwrap().is_empty());
        }
        let expected: Vec<f64> = x.iter().map(|&x| 0.5 * (0.5 + f64::from(x)) + f64::from(x)).collect();
        assert_close(&stream, &state, &expected, 1e-6);
    }
}

#[test]
fn tiny_inputs_follow_mlx_address_spaces() {
    // A 0-d input is a reference; an input of fewer than 8 elements lies in `constant`; neither shows in the body's text.
    let body = "uint i = thread_position_in_grid.x;\n out[i] = x[i] * scale + offsets[i % 2];";
    let tiny = program("tiny_inputs", body, |d| {
        d.input("x").input("scale").input("offsets").output_like("out", "x")
    });
    for stream in common::streams() {
        let x = numbers(10);
        let input = upload(&stream, &x, &[10]);
        let scale = Tensor::scalar(2.0f32).to(&stream).unwrap();
        let offsets = upload(&stream, &[1.0, -1.0], &[2]);
        let launch =
            tiny.launch(&stream).input("x", &input).input("scale", &scale).input("offsets", &offsets);
        let out = launch.grid(Grid::threads([10, 1, 1]), [16, 1, 1]).run_one().unwrap();
        let expected: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(i, &x)| f64::from(x) * 2.0 + if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        assert_close(&stream, &out, &expected, 1e-6);
    }
}

#[test]
fn inputs_that_are_not_row_major_are_copied_first() {
    let copy = program("plain_copy", "uint i = thread_position_in_grid.x;\n y[i] = x[i];", |d| {
        d.input("x").output_like("y", "x")
    });
    for stream in common::streams() {
        let x =
            upload(&stream, &numbers(60), &[3, 4, 5]).permute(&[2, 0, 1]).unwrap().slice(1, 1..3).unwrap();
        let y = copy
            .launch(&stream)
            .input("x", &x)
            .grid(Grid::threads([40, 1, 1]), [32, 1, 1])
            .run_one()
            .unwrap();
        assert_eq!(y.to_bytes().unwrap(), x.to_bytes().unwrap(), "{}", stream.device());
    }
}
