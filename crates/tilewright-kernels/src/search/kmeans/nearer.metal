// Lowers the distance of each row to that from row `at`, and sums them, with what rounding loses beside the sum. One threadgroup for 256 rows; each SIMD group takes 32 of
// them, four at a time, and lane i keeps the distance of the i-th.
const uint lane = thread_index_in_simdgroup, self = thread_position_in_threadgroup.x;
const uint group = threadgroup_position_in_grid.x;
const uint from = group * 256 + (self - lane), row = from + lane;
threadgroup float highs[8], lows[8];
Query made;
float distance = 0;
for (uint t = 0; t < 32; t += TOGETHER) {
    // All lanes decide alike: simd_sum needs them together.
    if (from + t >= n) break;
    float distances[TOGETHER];
    distances_of<T, 0>(made, x + size_t(at) * d, x, from + t, n - 1, d, lane, distances);
    for (uint u = 0; u < TOGETHER; ++u) {
        if (t + u == lane) distance = distances[u];
    }
}
float high = 0, low = 0;
if (row < n) {
    // A distance that is not a number lowers nothing.
    const float before = first ? INFINITY : nearest[row];
    high = distance < before ? distance : before;
    nearest[row] = high;
}
for (ushort step = 16; step > 0; step /= 2) plus(high, low, simd_shuffle_xor(high, step), simd_shuffle_xor(low, step));
if (lane == 0) {
    highs[self / 32] = high;
    lows[self / 32] = low;
}
threadgroup_barrier(mem_flags::mem_threadgroup);  // all sums are there
if (self == 0) {
    for (uint other = 1; other < 8; ++other) plus(high, low, highs[other], lows[other]);
    sums[2 * size_t(group)] = high;
    sums[2 * size_t(group) + 1] = low;
}
