//! A body written for `mx.fast.metal_kernel`, unchanged, on whatever device this machine has.
//!
//! `cargo run --release -p tilewright --example metal_kernel [cuda:0 | metal:0 | emulated]`

use tilewright::{DType, Definition, Device, Grid, Program, Result, Tensor, devices, stream};

/// Row-wise RMS norm: one threadgroup a row, partial sums across SIMD groups through threadgroup memory.
const RMS_NORM: &str = r#"
    uint row = threadgroup_position_in_grid.x;
    uint lane = thread_position_in_threadgroup.x;
    uint axis = x_shape[1];
    threadgroup float partial[32];
    float sum = 0;
    for (uint i = lane; i < axis; i += threads_per_threadgroup.x) {
        float v = x[row * axis + i];
        sum += v * v;
    }
    sum = simd_sum(sum);
    if (thread_index_in_simdgroup == 0) { partial[simdgroup_index_in_threadgroup] = sum; }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sum = simd_sum(thread_index_in_simdgroup < 4 ? partial[thread_index_in_simdgroup] : 0);
    float scale = metal::precise::rsqrt(sum / axis + 1e-6);
    for (uint i = lane; i < axis; i += threads_per_threadgroup.x) {
        out[row * axis + i] = T(x[row * axis + i] * scale) * w[i];
    }
"#;

fn main() -> Result<()> {
    let asked = std::env::args().nth(1).map(|name| name.parse::<Device>()).transpose()?;
    let found = || devices().into_iter().find(|(device, caps)| *device != Device::Cpu && caps.is_ok());
    let device = asked.or_else(|| found().map(|(device, _)| device)).unwrap_or(Device::Emulated);
    let stream = stream(device)?;

    let definition =
        Definition::new("rms_norm", RMS_NORM).template("T").input("x").input("w").output_like("out", "x");
    let rms_norm = Program::new(definition.mlx_inputs())?;
    let x: Vec<f32> = (0..4 * 1000).map(|i| (i as f32).sin() * 3.0).collect();
    let x = Tensor::from_vec(x, [4, 1000])?.to(&stream)?;
    let w = Tensor::from_vec(vec![1.0f32; 1000], [1000])?.to(&stream)?;
    let launch = rms_norm.launch(&stream).template("T", DType::F32).input("x", &x).input("w", &w);
    let out = launch.grid(Grid::groups([4, 1, 1]), [128, 1, 1]).run_one()?;

    for (row, values) in out.to_vec::<f32>()?.chunks(1000).enumerate() {
        let mean_square = values.iter().map(|v| v * v).sum::<f32>() / 1000.0;
        println!("{device}: row {row} has mean square {mean_square:.6}");
    }
    Ok(())
}
