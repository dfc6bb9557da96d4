// A SIMD group a matrix: lane i holds row i of the lower triangle. Rows and columns from n to N are those of the identity.
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
if (item >= items) return;
const uint down = upper ? 1 : n;
const uint across = upper ? n : 1;
const device S* from = a + ulong(item) * n * n + lane * down;
device S* to = factor + ulong(item) * n * n + lane * down;

S row[N];
#pragma unroll
for (int j = 0; j < N; ++j) row[j] = lane < n && uint(j) <= lane ? from[j * across] : S(lane == uint(j));
const int failed = factor_rows<N, S>(row, lane);
#pragma unroll
for (int j = 0; j < N; ++j) {
    if (lane < n && uint(j) < n) to[j * across] = failed != 0 ? S(NAN) : uint(j) <= lane ? row[j] : S(0);
}
if (lane == 0) info[item] = failed;
