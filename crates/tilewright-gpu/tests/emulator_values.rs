//! What the emulator computes: built-ins, SIMD operations over the lanes that are there, rounding, matrices, atomics.

mod emulated_kernel;

use emulated_kernel::{Before, Kernel, kernel};
use tilewright_gpu::backend::emulator_host::{FaultKind, Mode};

fn counting(n: u32) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

fn whole(n: u32) -> Vec<u32> {
    (0..n).collect()
}

#[test]
fn built_ins_of_clipped_groups() {
    let body = "uint3 p = thread_position_in_grid;
device uint* o = out + (p.x + threads_per_grid.x * p.y) * 16;
o[0] = thread_position_in_threadgroup.x;
o[1] = thread_position_in_threadgroup.y;
o[2] = threadgroup_position_in_grid.x;
o[3] = threadgroup_position_in_grid.y;
o[4] = threads_per_threadgroup.x;
o[5] = threads_per_threadgroup.y;
o[6] = dispatch_threads_per_threadgroup.x * 100 + dispatch_threads_per_threadgroup.y;
o[7] = threadgroups_per_grid.x * 100 + threadgroups_per_grid.y;
o[8] = thread_index_in_threadgroup;
o[9] = thread_index_in_simdgroup;
o[10] = simdgroup_index_in_threadgroup;
o[11] = simdgroups_per_threadgroup * 100 + dispatch_simdgroups_per_threadgroup;
o[12] = quadgroup_index_in_threadgroup * 100 + thread_index_in_quadgroup;
o[13] = quadgroups_per_threadgroup * 100 + dispatch_quadgroups_per_threadgroup;
o[14] = threads_per_simdgroup * 100 + thread_execution_width;
o[15] = grid_size.x + grid_size.y * 100 + grid_origin.x + x[0];";
    let (grid, group) = ([21u32, 11], [8u32, 6]);
    let mut expected = Vec::new();
    for y in 0..grid[1] {
        for x in 0..grid[0] {
            let (gx, gy) = (x / group[0], y / group[1]);
            let size = [(grid[0] - gx * group[0]).min(group[0]), (grid[1] - gy * group[1]).min(group[1])];
            let (tx, ty) = (x % group[0], y % group[1]);
            let index = tx + ty * size[0];
            let threads = size[0] * size[1];
            expected.extend([tx, ty, gx, gy, size[0], size[1], 806, 302, index, index % 32, index / 32]);
            expected.extend([threads.div_ceil(32) * 100 + 2, index / 4 * 100 + index % 4]);
            expected.extend([threads.div_ceil(4) * 100 + 12, 3232, 21 + 1100]);
        }
    }
    let clipped = Kernel { grid: [21, 11, 1], group: [8, 6, 1], ..kernel("clipped", 1, body) };
    clipped.gives(&[0u32], &expected);
}

#[test]
fn a_group_is_no_larger_than_the_grid() {
    let body = "out[thread_position_in_grid.x] = threads_per_threadgroup.x + x[0];";
    Kernel { group: [256, 1, 1], ..kernel("small_grid", 10, body) }.gives(&[0u32], &[10u32; 10]);
    Kernel { grid: [0, 1, 1], ..kernel("empty_grid", 10, body) }.gives::<u32, u32>(&[0], &[]);
}

#[test]
fn reductions_over_the_lanes_that_are_there() {
    // 40 threads: a full SIMD group and one of 8 lanes.
    let body = "uint i = thread_position_in_grid.x;
out[i] = simd_sum(x[i]);
out[i + 40] = simd_max(x[i]) * 100 + simd_min(x[i]);
out[i + 80] = simd_xor(x[i]) + (simd_or(x[i]) << 8) + (simd_and(x[i] | 64) << 16);
out[i + 120] = simd_prefix_inclusive_sum(x[i]);
out[i + 160] = simd_prefix_exclusive_sum(x[i]);
out[i + 200] = simd_product(1 + x[i] % 2);
out[i + 240] = quad_sum(x[i]);";
    let x = whole(40);
    let lanes = |i: u32| if i < 32 { 0..32u32 } else { 32..40 };
    let mut expected = vec![];
    expected.extend(x.iter().map(|&i| lanes(i).sum::<u32>()));
    expected.extend(x.iter().map(|&i| (lanes(i).end - 1) * 100 + lanes(i).start));
    expected.extend(x.iter().map(|&i| {
        let xor = lanes(i).fold(0, |a, b| a ^ b);
        xor + (lanes(i).fold(0, |a, b| a | b) << 8) + (lanes(i).fold(!0, |a, b| a & (b | 64)) << 16)
    }));
    expected.extend(x.iter().map(|&i| (lanes(i).start..=i).sum::<u32>()));
    expected.extend(x.iter().map(|&i| (lanes(i).start..i).sum::<u32>()));
    expected.extend(x.iter().map(|&i| 1u32 << (lanes(i).len() / 2)));
    expected.extend(x.iter().map(|&i| (i / 4 * 4..i / 4 * 4 + 4).sum::<u32>()));
    kernel("reductions", 40, body).gives(&x, &expected);
}

#[test]
fn moves_between_lanes() {
    let body = "uint i = thread_position_in_grid.x;
uint own = x[i];
out[i] = simd_broadcast(own, 5);
out[i + 32] = simd_broadcast_first(own);
out[i + 64] = simd_shuffle(own, (i * 7) % 32);
out[i + 96] = simd_shuffle_xor(own, 9);
out[i + 128] = simd_shuffle_up(own, 3);
out[i + 160] = simd_shuffle_down(own, 3);
out[i + 192] = simd_shuffle_rotate_up(own, 3);
out[i + 224] = simd_shuffle_rotate_down(own, 3);
out[i + 256] = simd_shuffle_and_fill_up(own, own + 100, 3);
out[i + 288] = simd_shuffle_and_fill_down(own, own + 100, 3);
out[i + 320] = simd_shuffle_and_fill_up(own, own + 100, 3, 8);
out[i + 352] = quad_shuffle_xor(own, 2) + quad_broadcast(own, 1);
uint2 pair = simd_shuffle_xor(uint2(own, own * 2), 1);
out[i + 384] = pair.x + pair.y;";
    let mut expected: Vec<u32> = Vec::new();
    let mut each = |value: &dyn Fn(u32) -> u32| expected.extend((0..32).map(value));
    each(&|_| 5);
    each(&|_| 0);
    each(&|i| i * 7 % 32);
    each(&|i| i ^ 9);
    each(&|i| if i >= 3 { i - 3 } else { i });
    each(&|i| if i + 3 < 32 { i + 3 } else { i });
    each(&|i| (i + 29) % 32);
    each(&|i| (i + 3) % 32);
    each(&|i| if i >= 3 { i - 3 } else { i + 29 + 100 });
    each(&|i| if i + 3 < 32 { i + 3 } else { i + 3 - 32 + 100 });
    each(&|i| if i % 8 >= 3 { i - 3 } else { i + 5 + 100 });
    each(&|i| (i ^ 2) + i / 4 * 4 + 1);
    each(&|i| (i ^ 1) * 3);
    kernel("moves", 32, body).gives(&whole(32), &expected);
}

#[test]
fn votes() {
    let body = "uint i = thread_position_in_grid.x;
bool odd = x[i] % 2 == 1;
simd_vote::vote_t votes = simd_vote::vote_t(simd_ballot(odd));
out[i] = uint(votes);
out[i + 40] = simd_any(x[i] == 35) * 10 + simd_all(x[i] < 32);
out[i + 80] = uint(simd_vote::vote_t(simd_active_threads_mask()));
out[i + 120] = simd_is_first();
out[i + 160] = simd_ballot(true).all() * 10 + simd_ballot(false).any();";
    let mut expected: Vec<u32> = (0..40).map(|i| if i < 32 { 0xaaaa_aaaa } else { 0xaa }).collect();
    expected.extend((0..40).map(|i| if i < 32 { 1 } else { 10 }));
    expected.extend((0..40).map(|i| if i < 32 { u32::MAX } else { 0xff }));
    expected.extend((0..40).map(|i| u32::from(i % 32 == 0)));
    expected.extend((0..40).map(|i| if i < 32 { 10 } else { 0 }));
    kernel("votes", 40, body).gives(&whole(40), &expected);
}

#[test]
fn divergent_simd_operations() {
    let body = "uint i = thread_position_in_grid.x;
uint r;
if (i % 3 == 0) {
    r = simd_sum(x[i]);
} else if (i % 3 == 1) {
    r = simd_max(x[i]);
} else {
    r = simd_shuffle(x[i], 0);
}
for (uint k = 0; k < i % 4; ++k) r += simd_sum(1u);
out[i] = r + 1000 * simd_sum(1u);";
    let expected: Vec<u32> = (0..32)
        .map(|i| {
            // Lane 0 is not among those that shuffle: they get their own.
            let r = [(0..32).filter(|j| j % 3 == 0).sum(), 31, i][i as usize % 3];
            let looped: u32 = (0..i % 4).map(|k| (0..32).filter(|j| j % 4 > k).count() as u32).sum();
            r + looped + 32_000
        })
        .collect();
    kernel("divergent", 32, body).gives(&whole(32), &expected);
}

#[test]
fn exited_lanes_are_absent() {
    let body = "uint i = thread_position_in_grid.x;
if (i % 4 == 1) { out[i] = 7; return; }
uint sum = simd_sum(x[i]);
uint from_exited = simd_shuffle(x[i], 1);
simdgroup_barrier(mem_flags::mem_none);
out[i] = sum * 100 + from_exited;";
    let sum: u32 = (0..32).filter(|i| i % 4 != 1).sum();
    let expected: Vec<u32> = (0..32).map(|i| if i % 4 == 1 { 7 } else { sum * 100 + i }).collect();
    kernel("exited", 32, body).gives(&whole(32), &expected);
}

#[test]
fn float_reductions_have_a_fixed_order() {
    let x: Vec<f32> = (0..44).map(|i| 1.0 / (i as f32 + 1.0) * if i % 3 == 0 { 1e4 } else { 1.0 }).collect();
    let mut tree = x[..32].to_vec();
    while tree.len() > 1 {
        let half = tree.len() / 2;
        tree = (0..half).map(|i| tree[i] + tree[i + half]).collect();
    }
    let in_order = x[33..44].iter().fold(x[32], |a, b| a + b);
    let expected: Vec<f32> = (0..44).map(|i| if i < 32 { tree[0] } else { in_order }).collect();
    kernel("sums", 44, "out[thread_position_in_grid.x] = simd_sum(x[thread_position_in_grid.x]);")
        .gives(&x, &expected);
    // half is summed in float and rounded once; a NaN is passed over by max.
    let body = "uint i = thread_position_in_grid.x;
half h = half(1) + half(i == 0 ? 2047.0 : 0.0);
out[i] = float(simd_sum(h)) + simd_max(i == 3 ? NAN : x[i]);";
    kernel("half_sum", 32, body).gives(&counting(32), &[2080.0 + 31.0; 32]);
}

#[test]
fn half_and_bfloat_round_every_operation() {
    let body = "half a = half(x[0]), b = half(x[1]);
bfloat c = bfloat(x[2]), d = bfloat(x[3]);
out[0] = float(a + b);
out[1] = float((a + b) + b);
out[2] = float(a) + float(b);
out[3] = a * 1.0 + x[4];
out[4] = float(half(x[5]));
out[5] = float(half(65519.0));
out[6] = float(half(65520.0));
out[7] = float(half(0x1p-25) + half(0x1.8p-25));
out[8] = float(c + d);
out[9] = float(c * d);
out[10] = float(half(1) / half(3));
out[11] = float(bfloat(1) / bfloat(3));
out[12] = float(half(0x1.002p0)) + float(half(0x1.006p0));
out[13] = isnan(float(half(NAN))) + 2 * isnan(float(bfloat(NAN)));
out[14] = float(as_type<ushort>(half(-2.5))) + as_type<half>(ushort(0x3c00));
half r = 0.1h;
r += 1;
out[15] = r;";
    let x = [2048.0f32, 1.0, 256.0, 1.0, 0.25, 1e-7];
    let expected = [
        2048.0, // 2049 is a tie, to even
        2048.0,
        2049.0,
        2048.25,          // half with float is float
        2.0f32.powi(-23), // subnormal: 1e-7 is 1.68 of the smallest step, 2^-24
        65504.0,
        f32::INFINITY,
        2.0f32.powi(-24), // 2^-25 is a tie, to 0; 1.5 * 2^-25 rounds up
        256.0,            // 257 is a tie, to even
        256.0,
        0.333_251_95,
        0.333_984_38,
        2.0 + 2.0f32.powi(-9), // ties: 1 + 2^-11 to 1, 1 + 3 * 2^-11 to 1 + 4 * 2^-11
        3.0,
        49409.0,
        1.099_609_4,
    ];
    kernel("rounding", 1, body).gives(&x, &expected);
}

#[test]
fn conversions_of_every_half_and_bfloat() {
    // Every half to float and back, and every float next to a border between two halves.
    let body = "uint i = thread_position_in_grid.x;
ushort bits = ushort(x[0] + i);
float value = float(as_type<half>(bits));
bool same = as_type<ushort>(half(value)) == bits || isnan(value);
uint next = as_type<uint>(value) + 0x1000;
if (isfinite(value) && fabs(value) >= 0x1p-14f && fabs(value) < 65504.0f) {
    // Half of a step up is a tie: to the even one. A little less goes down, a little more up.
    ushort up = bits + 1;
    same = same && as_type<ushort>(half(as_type<float>(next - 1))) == bits;
    same = same && as_type<ushort>(half(as_type<float>(next))) == (bits & 1 ? up : bits);
    same = same && as_type<ushort>(half(as_type<float>(next + 1))) == up;
}
float wide = float(as_type<bfloat>(bits));
same = same && (as_type<ushort>(bfloat(wide)) == bits || isnan(wide));
out[i] = same;";
    let all = Kernel { grid: [65536, 1, 1], ..kernel("every_half", 256, body) };
    let got: Vec<u8> = all.run::<u32, u8>(Mode::Address, 0, &[0], 65536).unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(got.iter().position(|&same| same != 1), None);
}

#[test]
fn literals_are_float_and_contraction_can_be_switched_off() {
    kernel("literals", 1, "auto third = 1.0 / 3;\nout[0] = sizeof(third) + (x[0] * 0.1 == x[0] * 0.1f);")
        .gives(&[3.0f32], &[5.0f32]);
    let product = "#pragma clang fp contract(off)\nout[0] = x[0] * x[0] - x[1];";
    let a = 1.0 + f32::EPSILON;
    kernel("not_fused", 1, product).gives(&[a, a * a], &[0.0f32]);
}

#[test]
fn matrices_of_a_simdgroup() {
    let body = "simdgroup_float8x8 a, b, c = make_filled_simdgroup_matrix<float, 8, 8>(0.5);
simdgroup_load(a, x, 10);
simdgroup_load(b, x + 80, 8, ulong2(0, 0), true);
simdgroup_multiply_accumulate(c, a, b, c);
simdgroup_store(c, out, 8);
simdgroup_half8x8 h(2.0h), d;
h.thread_elements() *= half(3);
simdgroup_multiply(d, h, h);
uint lane = thread_index_in_simdgroup;
out[64 + lane * 2] = d.thread_elements()[0];
out[64 + lane * 2 + 1] = d.thread_elements()[1];";
    let x: Vec<f32> = (0..144).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
    let mut expected = Vec::new();
    for row in 0..8 {
        for column in 0..8 {
            expected.push(0.5 + (0..8).map(|k| x[row * 10 + k] * x[80 + column * 8 + k]).sum::<f32>());
        }
    }
    for lane in 0..32 {
        // Apple's layout, as MLX's kernels state it.
        let quad = lane / 4;
        let (row, column) = ((quad & 4) + lane / 2 % 4, (quad & 2) * 2 + lane % 2 * 2);
        expected.extend([0, 1].map(|i| if row == column + i { 36.0 } else { 0.0 }));
    }
    kernel("matrices", 32, body).gives(&x, &expected);
    kernel("lanes_missing", 32, MISSING).faults::<f32, f32>(
        Mode::Address,
        &x,
        32,
        FaultKind::BarrierDivergence,
        &["needs the 32 lanes", "30 came", "lanes_missing:3"],
    );
}

const MISSING: &str = "simdgroup_float8x8 a(x[0]);
if (thread_index_in_simdgroup < 2) return;
simdgroup_multiply(a, a, a);
out[thread_index_in_simdgroup] = 1;";

#[test]
fn atomics_of_every_kind() {
    let body = "threadgroup atomic_int low;
threadgroup atomic<uint> bits[2];
uint i = thread_position_in_grid.x;
if (i == 0) {
    atomic_store_explicit(&low, 1000, memory_order_relaxed);
    atomic_store_explicit(&bits[0], 0, memory_order_relaxed);
    atomic_store_explicit(&bits[1], 0xffffffff, memory_order_relaxed);
}
threadgroup_barrier(mem_flags::mem_threadgroup);
atomic_fetch_min_explicit(&low, int(x[i]) - 20, memory_order_relaxed);
atomic_fetch_or_explicit(&bits[0], 1u << i, memory_order_relaxed);
atomic_fetch_and_explicit(&bits[1], ~(1u << i), memory_order_relaxed);
atomic_fetch_add_explicit(&out[0], 0.5, memory_order_relaxed);
atomic_fetch_sub_explicit(&out[1], 1, memory_order_relaxed);
float seen = atomic_load_explicit(&out[2], memory_order_relaxed);
while (!atomic_compare_exchange_weak_explicit(&out[2], &seen, max(seen, x[i]), memory_order_relaxed, memory_order_relaxed)) {}
threadgroup_barrier(mem_flags::mem_threadgroup);
if (i == 0) {
    atomic_store_explicit(&out[3], atomic_exchange_explicit(&low, 0, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&out[4], atomic_load_explicit(&bits[0], memory_order_relaxed) == 0xffffffff, memory_order_relaxed);
    atomic_store_explicit(&out[5], atomic_load_explicit(&bits[1], memory_order_relaxed), memory_order_relaxed);
}";
    let atomics = Kernel { out: Some("atomic_float"), ..kernel("atomics", 32, body) };
    for mode in [Mode::Address, Mode::Race] {
        let built = atomics.build::<f32, f32>(mode).unwrap_or_else(|e| panic!("{e}"));
        for seed in 0..3 {
            let got: Vec<f32> = built
                .launch(seed, &counting(32), 6, Before::Zeros)
                .unwrap_or_else(|f| panic!("{f}\n{}", f.report));
            assert_eq!(got, [16.0, -32.0, 31.0, -20.0, 1.0, 0.0]);
        }
    }
    let half = Kernel { out: Some("atomic<half>"), ..kernel("atomic_half", 1, "") };
    let error = half.build::<f32, u16>(Mode::Address).err().expect("refused");
    assert!(error.log.contains("Metal has atomics of"), "{error}");
}

#[test]
fn schedules_follow_from_the_seed() {
    // The order in which threads come to an atomic is the schedule.
    let body = "uint i = thread_position_in_grid.x;
threadgroup atomic_uint next;
if (i == 0) atomic_store_explicit(&next, 0, memory_order_relaxed);
threadgroup_barrier(mem_flags::mem_threadgroup);
out[i] = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) + x[0];";
    let order = kernel("order", 64, body);
    let built = order.build::<u32, u32>(Mode::Address).expect("builds");
    let run = |seed| built.launch::<u32, u32>(seed, &[0], 64, Before::Poison).expect("runs");
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let mut sorted = run(1);
    sorted.sort_unstable();
    assert_eq!(sorted, whole(64));
}
