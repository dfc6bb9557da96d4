// Each row: its moments, then its elements; all readings but the first come from a cache.
const Row row = row_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x, thread_position_in_threadgroup.x);
if (row.index >= rows) return;  // whole SIMD groups, and only where there is no barrier
threadgroup float scratch[8];
const size_t start = size_t(row.index) * n;
const size_t head = size_t(row.index % heads) * n;
const float2 moments = moments_of<CENTRED>(x + start, row, n, eps, wide, scratch);
for (uint i = row.lane; i < n; i += row.lanes) {
    out[start + i] = T((float(x[start + i]) - moments.x) * moments.y * float(weight[head + i]));
}
