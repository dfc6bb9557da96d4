//! Planted faults, each caught and named with its line, each beside its healthy twin that passes on several seeds.

mod emulated_kernel;

use std::time::{Duration, Instant};

use emulated_kernel::{Before, Kernel, kernel};
use tilewright_gpu::backend::emulator_host::{FaultKind, Mode};

fn counting(n: u32) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

fn reversed(n: u32) -> Vec<f32> {
    (0..n).rev().map(|i| i as f32).collect()
}

const REVERSE_WITHOUT_BARRIER: &str = "threadgroup float tile[64];
uint i = thread_position_in_grid.x;
tile[i] = x[i];
out[i] = tile[63 - i];";

#[test]
fn missing_barrier() {
    let planted = kernel("missing_barrier", 64, REVERSE_WITHOUT_BARRIER);
    planted.faults::<f32, f32>(
        Mode::Race,
        &counting(64),
        64,
        FaultKind::Race,
        &[
            "write by thread",
            "missing_barrier:3",
            "read by thread",
            "missing_barrier:4",
            "`tile`",
            "threadgroup memory",
        ],
    );
    let built = planted.build::<f32, f32>(Mode::Address).expect("builds");
    let wrong = (0..4).any(|seed| {
        let out: Vec<f32> =
            built.launch(seed, &counting(64), 64, Before::Poison).expect("nothing wrong with the addresses");
        out != reversed(64)
    });
    assert!(wrong, "some order of the threads shows the missing barrier");

    kernel(
        "with_barrier",
        64,
        "threadgroup float tile[64];
        uint i = thread_position_in_grid.x;
        tile[i] = x[i];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        out[i] = tile[63 - i];",
    )
    .gives(&counting(64), &reversed(64));
}

#[test]
fn missing_barrier_before_the_tile_is_used_again() {
    let body = "threadgroup float tile[64];
    uint i = thread_position_in_grid.x;
    float sum = 0;
    for (uint k = 0; k < 2; ++k) {
        tile[i] = x[i] + k;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        sum += tile[63 - i];
    }
    out[i] = sum;";
    kernel("reused_tile", 64, body).faults::<f32, f32>(
        Mode::Race,
        &counting(64),
        64,
        FaultKind::Race,
        &["read by", "reused_tile:7", "write by", "reused_tile:5"],
    );
}

#[test]
fn out_of_bounds_in_device_memory() {
    let body = "uint i = thread_position_in_grid.x;
float next = x[i + 1];
out[i] = next;";
    let parts = ["read of 4 bytes", "`x`", "thread (63, 0, 0)", "past_the_end:2"];
    for mode in [Mode::Address, Mode::Race] {
        kernel("past_the_end", 64, body).faults::<f32, f32>(
            mode,
            &counting(64),
            64,
            FaultKind::OutOfBounds,
            &parts,
        );
    }
    let expected: Vec<f32> = (1..65).map(|i| i as f32).collect();
    kernel("within", 64, body).gives(&counting(65), &expected);
    // A write, before the beginning.
    kernel("before", 4, "int i = thread_position_in_grid.x;\nout[i - 1] = x[0];").faults::<f32, f32>(
        Mode::Race,
        &[1.0],
        4,
        FaultKind::OutOfBounds,
        &["write of 4 bytes at byte -4 of `out`", "before:2"],
    );
    // Four GiB of elements further, where an unsigned index gets to below zero.
    kernel("wraps", 1, "out[thread_position_in_grid.x] = x[thread_position_in_grid.x - 1];")
        .faults::<f32, f32>(
            Mode::Address,
            &[1.0],
            1,
            FaultKind::BadAddress,
            &["thread (0, 0, 0)", "wraps:1"],
        );
    kernel("empty", 1, "out[0] = x[0];").faults::<f32, f32>(
        Mode::Address,
        &[],
        1,
        FaultKind::OutOfBounds,
        &["`x`", "empty:1"],
    );
}

#[test]
fn out_of_bounds_in_threadgroup_memory() {
    // Through a pointer, so that not the array's type but the memory around it tells.
    let body = "threadgroup float tile[32];
uint i = thread_position_in_grid.x;
threadgroup float* p = tile;
p[i] = x[i];
threadgroup_barrier(mem_flags::mem_threadgroup);
out[i] = p[i + SHIFT];";
    let mut planted = kernel("past_the_tile", 32, body);
    planted.header = "#define SHIFT 1";
    planted.faults::<f32, f32>(
        Mode::Address,
        &counting(32),
        32,
        FaultKind::OutOfBounds,
        &["read of 4 bytes", "`tile`", "past_the_tile:6"],
    );
    planted.header = "#define SHIFT 0";
    planted.gives(&counting(32), &counting(32));
    // A constant index into an array is UBSan's to find.
    let body = "threadgroup float tile[4][8];
uint i = thread_position_in_grid.x;
tile[1][i % 8] = x[i];
threadgroup_barrier(mem_flags::mem_threadgroup);
out[i] = tile[1][i];";
    kernel("past_the_row", 16, body).faults::<f32, f32>(
        Mode::Address,
        &counting(16),
        16,
        FaultKind::Undefined,
        &["out of bounds for type 'float", "past_the_row:5"],
    );
}

#[test]
fn out_of_bounds_in_dynamic_threadgroup_memory() {
    let body = "threadgroup float* tile = (threadgroup float*)scratch;
uint i = thread_position_in_grid.x;
tile[i] = x[i];
threadgroup_barrier(mem_flags::mem_threadgroup);
out[i] = tile[31 - i];";
    for mode in [Mode::Address, Mode::Race] {
        let mut planted = kernel("scratch_too_small", 32, body);
        planted.scratch_bytes = 124;
        planted.faults::<f32, f32>(
            mode,
            &counting(32),
            32,
            FaultKind::OutOfBounds,
            &["memory of the launch", "scratch_too_small:3"],
        );
    }
    let mut healthy = kernel("scratch", 32, body);
    healthy.scratch_bytes = 128;
    healthy.gives(&counting(32), &reversed(32));
}

#[test]
fn read_of_unwritten_threadgroup_memory() {
    let body = "threadgroup float tile[64];
uint i = thread_position_in_grid.x;
if (i < WRITTEN) tile[i] = x[i];
threadgroup_barrier(mem_flags::mem_threadgroup);
out[i] = tile[63 - i];";
    let mut planted = kernel("half_filled", 64, body);
    planted.header = "#define WRITTEN 32";
    planted.faults::<f32, f32>(
        Mode::Race,
        &counting(64),
        64,
        FaultKind::Uninitialised,
        &["`tile`", "half_filled:5", "in this threadgroup"],
    );
    let out: Vec<f32> = planted.run(Mode::Address, 0, &counting(64), 64).expect("runs");
    assert!(out[..32].iter().all(|v| v.is_nan()) && out[32..] == reversed(64)[32..], "{out:?}");
    planted.header = "#define WRITTEN 64";
    planted.gives(&counting(64), &reversed(64));
}

#[test]
fn what_one_group_wrote_is_not_there_for_the_next() {
    let mut planted = kernel(
        "left_over",
        32,
        "threadgroup float tile[32];
uint i = thread_position_in_threadgroup.x;
if (threadgroup_position_in_grid.x == 0) tile[i] = x[i];
out[thread_position_in_grid.x] = tile[i];",
    );
    planted.grid = [64, 1, 1];
    planted.faults::<f32, f32>(
        Mode::Race,
        &counting(32),
        64,
        FaultKind::Uninitialised,
        &["`tile`", "left_over:4"],
    );
}

#[test]
fn read_of_an_unwritten_output() {
    kernel("adds_to_poison", 8, "out[thread_position_in_grid.x] += x[0];").faults::<f32, f32>(
        Mode::Race,
        &[1.0],
        8,
        FaultKind::Uninitialised,
        &["`out`", "adds_to_poison:1"],
    );
}

#[test]
fn barrier_that_half_of_the_threads_skip() {
    let body = "uint i = thread_position_in_grid.x;
if (i < 32) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
}
out[i] = x[i];";
    for mode in [Mode::Address, Mode::Race] {
        kernel("half_skip", 64, body).faults::<f32, f32>(
            mode,
            &counting(64),
            64,
            FaultKind::BarrierDivergence,
            &["32 of 64 threads wait for threadgroup_barrier at half_skip:3", "32 reached the end"],
        );
    }
    let two = "uint i = thread_position_in_grid.x;
if (i < 16)
    threadgroup_barrier(mem_flags::mem_none);
else
    threadgroup_barrier(mem_flags::mem_none);
out[i] = x[i];";
    kernel("two_barriers", 64, two).faults::<f32, f32>(
        Mode::Address,
        &counting(64),
        64,
        FaultKind::BarrierDivergence,
        &["16 of 64", "two_barriers:3", "48 wait", "two_barriers:5"],
    );
    let healthy = "uint i = thread_position_in_grid.x;
if (x[63] == 63) threadgroup_barrier(mem_flags::mem_none);
out[i] = x[i];";
    kernel("uniform", 64, healthy).gives(&counting(64), &counting(64));
}

#[test]
fn simdgroup_barrier_that_some_lanes_skip() {
    kernel(
        "lanes_skip",
        64,
        "uint i = thread_position_in_grid.x;
if (thread_index_in_simdgroup < 20)
    simdgroup_barrier(mem_flags::mem_none);
out[i] = x[i];",
    )
    .faults::<f32, f32>(
        Mode::Address,
        &counting(64),
        64,
        FaultKind::BarrierDivergence,
        &["20 of 32 threads wait for simdgroup_barrier at lanes_skip:3", "12 reached the end"],
    );
}

#[test]
fn early_return_before_a_barrier() {
    let body = "threadgroup float tile[64];
uint i = thread_position_in_grid.x;
if (i >= 40) { out[i] = -1; return; }
tile[i] = x[i];
threadgroup_barrier(mem_flags::mem_threadgroup);
out[i] = tile[39 - i];";
    let expected: Vec<f32> = (0..64).map(|i| if i < 40 { (39 - i) as f32 } else { -1.0 }).collect();
    kernel("guarded", 64, body).gives(&counting(64), &expected);
}

#[test]
fn two_threads_write_one_element() {
    let body = "uint i = thread_position_in_grid.x;
out[i / 2] = x[i];";
    let parts = ["write by thread", "two_writers:2", "`out`", "device memory"];
    kernel("two_writers", 64, body).faults::<f32, f32>(
        Mode::Race,
        &counting(64),
        32,
        FaultKind::Race,
        &parts,
    );
    // In different threadgroups, which nothing orders.
    let mut groups = kernel(
        "two_groups",
        32,
        "out[thread_position_in_threadgroup.x] = x[threadgroup_position_in_grid.x];",
    );
    groups.grid = [64, 1, 1];
    groups.faults::<f32, f32>(
        Mode::Race,
        &counting(64),
        32,
        FaultKind::Race,
        &["another threadgroup", "two_groups:1", "no barrier orders threadgroups"],
    );
    // Bytes beside one another are nobody else's.
    let bytes: Vec<u8> = (0..64).collect();
    kernel("own_byte", 64, "out[thread_position_in_grid.x] = x[thread_position_in_grid.x];")
        .gives(&bytes, &bytes);
}

fn histogram(body: &'static str, name: &'static str) -> Kernel {
    Kernel { out: Some("atomic_uint"), grid: [256, 1, 1], ..kernel(name, 64, body) }
}

#[test]
fn atomics_need_no_order_among_themselves() {
    let values: Vec<u32> = (0..256).map(|i| i * i % 7).collect();
    let mut expected = vec![0u32; 7];
    values.iter().for_each(|&v| expected[v as usize] += 1);
    let healthy = histogram(
        "atomic_fetch_add_explicit(&out[x[thread_position_in_grid.x]], 1, memory_order_relaxed);",
        "histogram",
    );
    for mode in [Mode::Address, Mode::Race] {
        let built = healthy.build::<u32, u32>(mode).expect("builds");
        for seed in 0..3 {
            let got = built.launch::<u32, u32>(seed, &values, 7, Before::Zeros);
            assert_eq!(got.unwrap_or_else(|f| panic!("{f}")), expected);
        }
    }
    let mixed = histogram(
        "uint i = thread_position_in_grid.x;
atomic_fetch_add_explicit(&out[x[i]], 1, memory_order_relaxed);
if (i == 0) *(device uint*)out = 0;",
        "mixed",
    );
    let built = mixed.build::<u32, u32>(Mode::Race).expect("builds");
    let result = built.launch::<u32, u32>(0, &values, 7, Before::Zeros);
    let fault = result.expect_err("a plain write beside atomics");
    assert_eq!(fault.kind, FaultKind::Race);
    for part in ["atomic access by", "mixed:2", "write by", "mixed:3"] {
        assert!(fault.message.contains(part), "{fault}");
    }
}

#[test]
fn device_memory_needs_mem_device() {
    let body = "uint i = thread_position_in_grid.x;
out[i] = x[i];
threadgroup_barrier(mem_flags::ORDERED);
float other = out[63 - i];
threadgroup_barrier(mem_flags::mem_device);
out[i] = other;";
    let mut planted = kernel("no_mem_device", 64, body);
    planted.header = "#define ORDERED mem_threadgroup";
    planted.faults::<f32, f32>(
        Mode::Race,
        &counting(64),
        64,
        FaultKind::Race,
        &["no_mem_device:2", "no_mem_device:4", "that orders device memory"],
    );
    planted.header = "#define ORDERED mem_device";
    planted.gives(&counting(64), &reversed(64));
}

#[test]
fn simdgroup_barrier_orders_its_lanes_only() {
    let body = "threadgroup float tile[64];
uint i = thread_position_in_grid.x;
tile[i] = x[i];
simdgroup_barrier(mem_flags::mem_threadgroup);
out[i] = tile[i ^ MASK];";
    let mut planted = kernel("across", 64, body);
    planted.header = "#define MASK 32";
    planted.faults::<f32, f32>(Mode::Race, &counting(64), 64, FaultKind::Race, &["across:3", "across:5"]);
    planted.header = "#define MASK 31";
    let expected: Vec<f32> = (0..64u32).map(|i| (i ^ 31) as f32).collect();
    planted.gives(&counting(64), &expected);
}

#[test]
fn stack_overflow() {
    let body = "float big[60000];
uint i = thread_position_in_grid.x;
for (uint k = 0; k < 60000; ++k) big[k] = x[k % 4] + k;
out[i] = big[uint(x[i]) * 1000];";
    for mode in [Mode::Address, Mode::Race] {
        kernel("big_frame", 4, body).faults::<f32, f32>(
            mode,
            &counting(4),
            4,
            FaultKind::StackOverflow,
            &["131072 bytes of its stack"],
        );
    }
}

#[test]
fn more_threadgroup_memory_than_there_is() {
    let body = "threadgroup float a[4096], b[4096], c;
uint i = thread_position_in_grid.x;
if (i == 0) { a[0] = x[0]; b[0] = x[0]; c = x[0]; }
out[i] = x[i];";
    let parts = ["`c`", "32772 bytes", "there are 32768"];
    kernel("too_large", 4, body).faults::<f32, f32>(
        Mode::Address,
        &counting(4),
        4,
        FaultKind::ThreadgroupMemory,
        &parts,
    );
}

#[test]
fn endless_loop_is_killed() {
    let body = "volatile uint forever = 1;
while (forever) {}
out[thread_position_in_grid.x] = x[0];";
    let mut planted = kernel("endless", 4, body);
    planted.timeout = Duration::from_millis(700);
    let started = Instant::now();
    let fault = planted.run::<f32, f32>(Mode::Address, 0, &[1.0], 4).expect_err("does not end");
    assert_eq!(fault.kind, FaultKind::Hang);
    assert!(fault.message.contains("0.7 s") && started.elapsed() < Duration::from_secs(30), "{fault}");
}

#[test]
fn waiting_for_another_thread_of_the_group_ends() {
    let body = "threadgroup atomic_uint flag;
uint i = thread_position_in_grid.x;
if (i == 5) atomic_store_explicit(&flag, 7, memory_order_relaxed);
uint seen = 0;
while (seen != 7) seen = atomic_load_explicit(&flag, memory_order_relaxed);
out[i] = x[i];";
    let got: Vec<f32> =
        kernel("spin", 8, body).run(Mode::Address, 1, &counting(8), 8).unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(got, counting(8));
}

#[test]
fn undefined_arithmetic() {
    let cases = [
        ("shift", "out[thread_position_in_grid.x] =\n  1 << x[0];", 32, "shift exponent 32", "shift:2"),
        ("divide", "out[thread_position_in_grid.x] = 5 / (x[0] - 1);", 1, "division by zero", "divide:1"),
        (
            "modulo",
            "int m = x[0];\nout[thread_position_in_grid.x] = m % (m - 1);",
            1,
            "division by zero",
            "modulo:2",
        ),
        (
            "lowest",
            "out[thread_position_in_grid.x] = x[0] / (x[0] - x[0] - 1);",
            i32::MIN,
            "cannot be represented",
            "lowest:1",
        ),
    ];
    for (name, body, x, what, line) in cases {
        kernel(name, 2, body).faults::<i32, i32>(Mode::Address, &[x], 2, FaultKind::Undefined, &[what, line]);
    }
    kernel("sound", 2, "out[thread_position_in_grid.x] = (1 << x[0]) / (x[0] - 3) % 7;")
        .gives(&[4i32], &[2i32, 2]);
    // Found in a function of the headers, reported where it was called.
    kernel("vector_divide", 2, "int2 v(x[0], x[0]);\n\nout[thread_position_in_grid.x] = (int2(4, 4) / v).x;")
        .faults::<i32, i32>(
            Mode::Address,
            &[0],
            2,
            FaultKind::Undefined,
            &["division by zero at vector_divide:3"],
        );
    kernel("misaligned", 1, "device float4* v = (device float4*)(out + 1);\nv[0] = float4(x[0]);")
        .faults::<f32, f32>(
            Mode::Address,
            &[0.0],
            8,
            FaultKind::Undefined,
            &["misaligned address", "misaligned:2"],
        );
}

#[test]
fn unwritten_output_and_written_input() {
    let body = "uint i = thread_position_in_grid.x;
if (i != 13) out[i] = x[i];";
    kernel("forgets_one", 64, body).faults::<f32, f32>(
        Mode::Race,
        &counting(64),
        64,
        FaultKind::Unwritten,
        &["4 of the 256 bytes of `out`", "the first at byte 52"],
    );
    let body = "device float* p = (device float*)x;
p[0] = 1;
out[thread_position_in_grid.x] = 2;";
    kernel("writes_input", 4, body).faults::<f32, f32>(
        Mode::Race,
        &counting(4),
        4,
        FaultKind::ReadOnly,
        &["`x`", "writes_input:2"],
    );
    kernel("writes_input", 4, body).faults::<f32, f32>(
        Mode::Address,
        &counting(4),
        4,
        FaultKind::ReadOnly,
        &["`x`"],
    );
}

#[test]
fn faults_in_the_header_have_its_line() {
    let mut planted = kernel("calls", 4, "out[thread_position_in_grid.x] = last(x, 4);");
    planted.header = "inline float last(const device float* values, uint n) {
    return values[n];
}";
    planted.faults::<f32, f32>(Mode::Address, &counting(4), 4, FaultKind::OutOfBounds, &["calls.header:2"]);
}

#[test]
fn a_body_that_does_not_compile() {
    let error = kernel("typo", 4, "uint i = 0;\nout[i] = y[i];")
        .build::<f32, f32>(Mode::Address)
        .err()
        .expect("does not compile");
    assert_eq!(error.name, "typo");
    assert!(
        error.log.contains("typo:2:") && error.log.contains("'y'") || error.log.contains("‘y’"),
        "{error}"
    );
}
