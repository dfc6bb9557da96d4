// out[j][i] = out[i][j] for i > j. A group takes one 32 x 32 block; the blocks above the diagonal are the targets.
const uint top = threadgroup_position_in_grid.y * 32;
const uint left = threadgroup_position_in_grid.x * 32;
if (left < top) return;
const uint column = left + thread_position_in_threadgroup.x;
for (uint z = threadgroup_position_in_grid.z; z < batches; z += threadgroups_per_grid.z) {
    const size_t start = size_t(z) * n * n;
    for (uint row = top + thread_position_in_threadgroup.y; row < min(top + 32, n); row += 8) {
        if (column < n && column > row) out[start + size_t(row) * n + column] = out[start + size_t(column) * n + row];
    }
}
