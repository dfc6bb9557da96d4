// A group of 16 x 16 threads a tile of the result, an element each, over tiles of a and b in shared memory.
threadgroup S of_a[2][16][17];
threadgroup S of_b[2][16][17];
const uint x = thread_position_in_threadgroup.x, y = thread_position_in_threadgroup.y;
const uint item = threadgroup_position_in_grid.z;
const uint i = threadgroup_position_in_grid.y * 16 + y, j = threadgroup_position_in_grid.x * 16 + x;
Twofold<S> sum = Twofold<S>{S(0), S(0)};
for (uint base = 0; base < k; base += 16) {
    const uint column = base + x, row = base + y;
    const bool in_a = i < m && column < k, in_b = row < k && j < n;
    const ulong at_a = (ulong(item) * m + i) * k + column, at_b = (ulong(item) * k + row) * n + j;
    of_a[0][y][x] = in_a ? a[at_a] : S(0);
    of_a[1][y][x] = in_a && a_has_low ? a_low[at_a] : S(0);
    of_b[0][y][x] = in_b ? b[at_b] : S(0);
    of_b[1][y][x] = in_b && b_has_low ? b_low[at_b] : S(0);
    // The tiles are there before they are read.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint terms = min(16u, k - base);
    for (uint l = 0; l < terms; ++l) {
        sum = plus(sum, times(Twofold<S>{of_a[0][y][l], of_a[1][y][l]}, Twofold<S>{of_b[0][l][x], of_b[1][l][x]}));
    }
    // They are read before the next ones are written.
    threadgroup_barrier(mem_flags::mem_threadgroup);
}
if (i < m && j < n) {
    const ulong e = (ulong(item) * m + i) * n + j;
    out[e] = sum.high;
    out_low[e] = sum.low;
}
