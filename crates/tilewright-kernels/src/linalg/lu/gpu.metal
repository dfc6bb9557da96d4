// A SIMD group a matrix: lane i holds row i of it. Columns are read and written whole, a lane each, and transposed.
threadgroup S tiles[4 * N * (N + 1)];
threadgroup vec<S, 4> pairs[4 * 2 * N / 4];
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
const uint simd = simdgroup_index_in_threadgroup;
if (item >= items) return;
threadgroup S* tile = tiles + simd * (N * (N + 1));
const device S* from = a + ulong(item) * m * n + lane;
device S* to = lu + ulong(item) * m * n + lane;
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (lane < uint(N)) tile[i * (N + 1) + lane] = lane < n && uint(i) < m ? from[i * n] : S(0);
}
// The rows are there before lanes take theirs.
simdgroup_barrier(mem_flags::mem_threadgroup);
S row[N];
#pragma unroll
for (int j = 0; j < N; ++j) row[j] = lane < uint(N) ? tile[lane * (N + 1) + j] : S(0);

uint place = lane < m ? lane : NOWHERE;
const int failed = eliminate_rows<N, S>(row, place, min(m, n), pairs + simd * (2 * N / 4));
if (lane < m) {
#pragma unroll
    for (int j = 0; j < N; ++j) tile[place * (N + 1) + j] = row[j];
    permutation[ulong(item) * m + place] = int(lane);
}
// The rows are at their places before they are written out.
simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (lane < n && uint(i) < m) to[i * n] = tile[i * (N + 1) + lane];
}
if (lane == 0) info[item] = failed;
