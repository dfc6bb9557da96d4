// Least and width of 32 columns. One threadgroup for them: a lane a column, a SIMD group every so many rows.
const uint lane = thread_index_in_simdgroup, own = simdgroup_index_in_threadgroup;
const uint groups = threads_per_threadgroup.x / 32;
const uint column = threadgroup_position_in_grid.x * 32 + lane;
threadgroup float least[1024], greatest[1024];
float low = INFINITY, high = -INFINITY;
if (column < d) {
    for (uint row = own; row < n; row += groups) {
        const float value = x[size_t(row) * d + column];
        if (!(abs(value) < INFINITY)) continue;
        low = min(low, value);
        high = max(high, value);
    }
}
least[own * 32 + lane] = low;
greatest[own * 32 + lane] = high;
threadgroup_barrier(mem_flags::mem_threadgroup);  // every SIMD group's are there
if (own == 0 && column < d) {
    for (uint group = 1; group < groups; ++group) {
        low = min(low, least[group * 32 + lane]);
        high = max(high, greatest[group * 32 + lane]);
    }
    const bool none = low > high;
    // Sums with 0 leave no -0.
    ranges[column] = none ? 0.0f : low + 0.0f;
    ranges[d + column] = none ? 0.0f : high - low;
}
