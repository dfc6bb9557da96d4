// Forward substitution in blocks of 32 rows: lane i of a SIMD group holds row i of the block in R columns of x. First what the rows above
// contribute, a block of the matrix at a time in threadgroup memory, then the triangle on the diagonal. A thread reads of x only what it
// wrote itself. Strides may be negative: then rows are counted from the end.
threadgroup S block[32][33];
threadgroup int zero;
const uint t = thread_index_in_threadgroup;
const uint threads = threads_per_threadgroup.x;
const uint lane = thread_index_in_simdgroup;
const uint per_group = threads / 32 * R;
const uint tiles = (k + per_group - 1) / per_group;
const uint item = threadgroup_position_in_grid.x / tiles;
const uint tile = threadgroup_position_in_grid.x % tiles;
const uint column = tile * per_group + t / 32 * R;
const device S* l = a + int64_t(item) * n * n + a_start;
const device S* from = b + int64_t(item) * n * k + x_start + int64_t(column) * x_across;
device S* to = x + int64_t(item) * n * k + x_start + int64_t(column) * x_across;

if (t == 0) zero = 0;
for (uint top = 0; top < n; top += 32) {
    const int64_t i = top + lane;
    S rest[R];
#pragma unroll
    for (int r = 0; r < R; ++r) rest[r] = i < n && column + r < k ? from[i * x_down + r * x_across] : S(0);
    for (uint left = 0; left <= top; left += 32) {
        // The block before this one was read, and `zero` is set, before either changes.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint e = t; e < 1024; e += threads) {
            const uint p = e / 32, q = e % 32;
            S value = S(p == q && left == top);
            if (top + p < n && left + q < top + p + (unit_diagonal ? 0 : 1)) {
                value = l[int64_t(top + p) * a_down + int64_t(left + q) * a_across];
            }
            block[p][q] = value;
        }
        // The block is there before it is used.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (left == top) break;
        S known[R];
#pragma unroll
        for (int r = 0; r < R; ++r) {
            known[r] = column + r < k ? to[int64_t(left + lane) * x_down + r * x_across] : S(0);
        }
        for (ushort q = 0; q < 32; ++q) {
#pragma unroll
            for (int r = 0; r < R; ++r) rest[r] -= block[lane][q] * simd_broadcast(known[r], q);
        }
    }
    if (t < 32) {
        // Counted from the matrix's own beginning, the first zero is the last one here where rows are counted from the end.
        const bool here = block[lane][lane] == S(0);
        const uint first = simd_min(here ? lane : 32u);
        const uint last = simd_max(here ? lane : 0u);
        if (t == 0 && first < 32) zero = a_down < 0 ? int(n - top - last) : zero == 0 ? int(top + first) + 1 : zero;
    }
    for (ushort q = 0; q < 32; ++q) {
        const S diagonal = block[q][q];
        const S factor = block[lane][q];
#pragma unroll
        for (int r = 0; r < R; ++r) {
            const S solved = simd_broadcast(rest[r], q) / diagonal;
            rest[r] = lane == q ? solved : lane > q ? rest[r] - factor * solved : rest[r];
        }
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
        if (i < n && column + r < k) to[i * x_down + r * x_across] = rest[r];
    }
}
// `zero` is final before all read it.
threadgroup_barrier(mem_flags::mem_threadgroup);
if (zero != 0) {
    for (uint i = lane; i < n; i += 32) {
#pragma unroll
        for (int r = 0; r < R; ++r) {
            if (column + r < k) to[int64_t(i) * x_down + r * x_across] = S(NAN);
        }
    }
}
if (t == 0 && tile == 0) info[item] = zero;
