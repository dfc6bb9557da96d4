// A SIMD group a system. The matrix is eliminated as by lu, lane i with row i of it; then each lane takes a right-hand side of its own through
// both triangles, whose rows all lanes read together.
constexpr int PITCH = N + 4;
threadgroup vec<S, 4> matrices[4 * N * PITCH / 4];
threadgroup vec<S, 4> pairs[4 * 2 * N / 4];
threadgroup uint orders[4 * N];
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
const uint simd = simdgroup_index_in_threadgroup;
if (item >= items) return;
threadgroup vec<S, 4>* rows = matrices + simd * (N * PITCH / 4);
threadgroup S* matrix = (threadgroup S*)rows;
threadgroup uint* order = orders + simd * N;
const device S* from = a + ulong(item) * n * n + lane;
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (lane < uint(N)) matrix[i * PITCH + lane] = lane < n && uint(i) < n ? from[i * n] : S(0);
}
// The rows are there before lanes take theirs.
simdgroup_barrier(mem_flags::mem_threadgroup);
S row[N];
#pragma unroll
for (int j = 0; j < N; ++j) row[j] = lane < uint(N) ? matrix[lane * PITCH + j] : S(0);

uint place = lane < n ? lane : NOWHERE;
const int failed = eliminate_rows<N, S>(row, place, n, pairs + simd * (2 * N / 4));
if (lane < uint(N)) {
    const uint i = place == NOWHERE ? lane : place;
#pragma unroll
    for (int c = 0; c < N / 4; ++c) {
        rows[i * (PITCH / 4) + c] = vec<S, 4>(row[4 * c], row[4 * c + 1], row[4 * c + 2], row[4 * c + 3]);
    }
    order[i] = lane;
}
// The triangles are there before they are read.
simdgroup_barrier(mem_flags::mem_threadgroup);
const device S* sides = b + ulong(item) * n * k;
device S* out = x + ulong(item) * n * k;
for (uint column = lane; column - lane < k; column += 32) {
    // Without this the triangles, which are the same in each turn, would be read once for all into more registers than there are.
    simdgroup_barrier(mem_flags::mem_threadgroup);
    S y[N];
#pragma unroll
    for (int i = 0; i < N; ++i) {
        // A few at a time: registers are few.
        if (i % 8 == 0) simdgroup_barrier(mem_flags::mem_threadgroup);
        const bool there = uint(i) < n && column < k;
        y[i] = !there ? S(0) : identity ? S(order[i] == column) : sides[order[i] * k + column];
    }
#pragma unroll
    for (int i = 1; i < N; ++i) {
        // Rows are read when their turn comes, not all at the beginning: registers are few.
        if (i % 8 == 0) simdgroup_barrier(mem_flags::mem_threadgroup);
        S sums[4] = {S(0), S(0), S(0), S(0)};
#pragma unroll
        for (int c = 0; 4 * c < i; ++c) {
            const vec<S, 4> l = rows[i * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (4 * c + e < i) sums[e] += l[e] * y[4 * c + e];
            }
        }
        y[i] -= (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
#pragma unroll
    for (int i = N - 1; i >= 0; --i) {
        if (i % 8 == 0) simdgroup_barrier(mem_flags::mem_threadgroup);
        if (uint(i) < n) {
            S sums[4] = {S(0), S(0), S(0), S(0)};
            S diagonal = S(1);
#pragma unroll
            for (int c = i / 4; c < N / 4; ++c) {
                const vec<S, 4> u = rows[i * (PITCH / 4) + c];
                if (c == i / 4) diagonal = u[i % 4];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    if (4 * c + e > i) sums[e] += u[e] * y[4 * c + e];
                }
            }
            y[i] = (y[i] - ((sums[0] + sums[1]) + (sums[2] + sums[3]))) / diagonal;
        }
    }
    uint to = column;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        if (uint(i) < n && column < k) out[to] = failed != 0 ? S(NAN) : y[i];
        to += k;
    }
}
if (lane == 0) info[item] = failed;
