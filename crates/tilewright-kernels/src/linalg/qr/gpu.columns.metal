// M matrices a group.
typedef Columns<N, S> Room;
threadgroup vec<S, 4> vectors[M * 2 * N / 4];
threadgroup S tiles[M * N * Room::PITCH];
const uint slot = thread_index_in_threadgroup / Room::THREADS;
const uint t = thread_index_in_threadgroup % Room::THREADS;
const uint item = threadgroup_position_in_grid.x * M + slot;
if (item >= items) return;
const device S* from = a + ulong(item) * m * n + t;
S x[N], y[N];
S largest = S(0);
#pragma unroll
for (int i = 0; i < N; ++i) {
    x[i] = uint(i) < m && t < n ? from[i * n] : S(0);
    y[i] = S(uint(i) == t);
    const S size = x[i] < S(0) ? -x[i] : x[i];
    largest = size > largest ? size : largest;
}
// A power of 2 brings the column's largest element near 1, and its squares into the range; q is the same.
S scale = S(1), back = S(1);
#pragma unroll
for (int halving = 0; halving < (sizeof(S) == 8 ? 6 : 3); ++halving) {
    S up = S(65536);
#pragma unroll
    for (int i = halving + 1; i < (sizeof(S) == 8 ? 6 : 3); ++i) up *= up;
    const S down = S(1) / up;
    const S by = largest > up ? down : largest < down ? up : S(1);
    back *= largest > up ? up : largest < down ? down : S(1);
    scale *= by;
    largest *= by;
}
#pragma unroll
for (int i = 0; i < N; ++i) x[i] *= scale;
const Room room = {
    vectors + slot * 2 * (N / 4),
    tiles + slot * N * Room::PITCH,
    q + ulong(item) * m * rows,
    r + ulong(item) * rows * n,
    m, n, rows, t, nonnegative, back,
};
From<N, N, S>::reflect(room, x, y);
