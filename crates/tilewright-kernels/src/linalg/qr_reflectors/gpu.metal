// A SIMD group a matrix: lane j holds column j of it.
threadgroup vec<S, 4> vectors[4 * N * N / 4];
threadgroup S scalars[4 * 3 * N];
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
const uint simd = simdgroup_index_in_threadgroup;
if (item >= items) return;
const device S* from = a + ulong(item) * m * n + lane;
device S* to = reflectors + ulong(item) * m * n + lane;
threadgroup S* own = scalars + simd * 3 * N;
S x[N];
#pragma unroll
for (int i = 0; i < N; ++i) x[i] = uint(i) < m && lane < n ? from[i * n] : S(0);
reflect_columns<N, S>(x, min(m, n), vectors + simd * (N * N / 4), own, lane);
// Below the diagonal go the tails of vectors whose heads are 1.
const threadgroup S* tail = (threadgroup S*)(vectors + simd * (N * N / 4)) + lane * N;
const S head = lane < min(m, n) ? own[lane] : S(1);
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (uint(i) < m && lane < n) to[i * n] = uint(i) > lane ? tail[i] / head : x[i];
}
if (lane < min(m, n)) tau[ulong(item) * min(m, n) + lane] = own[2 * N + lane];
