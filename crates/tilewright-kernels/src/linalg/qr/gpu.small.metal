// A SIMD group a matrix: lane j holds column j of it, then column j of q. The vectors stay in threadgroup memory between the two.
threadgroup vec<S, 4> vectors[4 * N * N / 4];
threadgroup S scalars[4 * 3 * N];
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
const uint simd = simdgroup_index_in_threadgroup;
if (item >= items) return;
const uint count = min(m, n);
const device S* from = a + ulong(item) * m * n + lane;
threadgroup vec<S, 4>* own = vectors + simd * (N * N / 4);
threadgroup S* heads = scalars + simd * 3 * N;
S x[N];
#pragma unroll
for (int i = 0; i < N; ++i) x[i] = uint(i) < m && lane < n ? from[i * n] : S(0);
reflect_columns<N, S>(x, count, own, heads, lane);
threadgroup S* factors = heads + N;
// The factors tau are not needed, and make room.
threadgroup S* signs = heads + 2 * N;
S diagonal = S(0);
#pragma unroll
for (int i = 0; i < N; ++i) diagonal = lane == uint(i) ? x[i] : diagonal;
const bool flip = nonnegative && lane < count && diagonal < S(0);
if (lane < uint(N)) signs[lane] = flip ? S(-1) : S(1);
// The signs are there before rows take theirs.
simdgroup_barrier(mem_flags::mem_threadgroup);
device S* to = r + ulong(item) * rows * n + lane;
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (uint(i) < rows && lane < n) to[i * n] = uint(i) > lane ? S(0) : signs[i] < S(0) ? -x[i] : x[i];
}
#pragma unroll
for (int i = 0; i < N; ++i) x[i] = S(uint(i) == lane);
#pragma unroll
for (int k = N - 1; k >= 0; --k) {
    if (uint(k) < count) {
        S u[N];
        S sums[4] = {S(0), S(0), S(0), S(0)};
#pragma unroll
        for (int c = k / 4; c < N / 4; ++c) {
            const vec<S, 4> part = own[k * (N / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                u[4 * c + e] = 4 * c + e == k ? heads[k] : part[e];
                if (4 * c + e >= k) sums[e] += u[4 * c + e] * x[4 * c + e];
            }
        }
        const S change = factors[k] * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
#pragma unroll
        for (int i = k; i < N; ++i) x[i] -= change * u[i];
    }
}
device S* out = q + ulong(item) * m * rows + lane;
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (uint(i) < m && lane < rows) out[i * rows] = flip ? -x[i] : x[i];
}
