// A SIMD group for 32 columns of c, one a lane, in registers; the vectors are read where they lie, the same element by all lanes.
const uint tiles = (p + 31) / 32;
const uint tile = thread_position_in_grid.x / 32;
const uint item = tile / tiles;
const uint column = tile % tiles * 32 + thread_index_in_simdgroup;
if (item >= items) return;
const uint most = min(m, n);
const device S* v = reflectors + ulong(item) * m * n;
const device S* factors = tau + ulong(item) * most;
const device S* from = c + ulong(item) * m * p + column;
device S* to = out + ulong(item) * m * p + column;
S x[N];
#pragma unroll
for (int i = 0; i < N; ++i) {
    x[i] = identity ? S(uint(i) == column) : uint(i) < m && column < p ? from[i * p] : S(0);
}
#pragma unroll
for (int step = 0; step < N; ++step) {
    // The loop is unrolled for both orders, so that registers are named.
#pragma unroll
    for (int turn = 0; turn < 2; ++turn) {
        const int k = turn == 0 ? step : N - 1 - step;
        if (transpose == (turn == 0) && uint(k) < most) {
            S w = x[k];
#pragma unroll
            for (int i = k + 1; i < N; ++i) w += uint(i) < m ? v[i * n + k] * x[i] : S(0);
            w *= factors[k];
            x[k] -= w;
#pragma unroll
            for (int i = k + 1; i < N; ++i) x[i] -= uint(i) < m ? v[i * n + k] * w : S(0);
        }
    }
}
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (uint(i) < m && column < p) to[i * p] = x[i];
}
