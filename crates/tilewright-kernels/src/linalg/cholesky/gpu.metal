// A SIMD group a matrix. Lane j holds column j of the upper factor; a lower triangle is transposed on its way in and out, so that rows
// are read and written whole. Rows and columns from n to N are those of the identity.
threadgroup S tiles[4 * N * (N + 1)];
threadgroup vec<S, 4> pairs[4 * 2 * N / 4];
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
const uint simd = simdgroup_index_in_threadgroup;
if (item >= items) return;
threadgroup S* tile = tiles + simd * (N * (N + 1));
const device S* from = a + ulong(item) * n * n + lane;
device S* to = factor + ulong(item) * n * n + lane;

S x[N];
#pragma unroll
for (int i = 0; i < N; ++i) {
    const bool read = lane < n && uint(i) < n && (upper ? uint(i) <= lane : lane <= uint(i));
    x[i] = read ? from[i * n] : S(lane == uint(i));
}
if (!upper) transpose<N, S>(x, tile, lane);
const int failed = factor_rows<N, S>(x, pairs + simd * (2 * N / 4), lane);
if (!upper) transpose<N, S>(x, tile, lane);
#pragma unroll
for (int i = 0; i < N; ++i) {
    const bool inside = upper ? uint(i) <= lane : lane <= uint(i);
    if (lane < n && uint(i) < n) to[i * n] = failed != 0 ? S(NAN) : inside ? x[i] : S(0);
}
if (lane == 0) info[item] = failed;
