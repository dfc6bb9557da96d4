// The transpose of rows x columns, by tiles of 32 x 32, a group of 256 threads each.
threadgroup S tile[32][33];
const uint t = thread_index_in_threadgroup;
const uint across = (columns + 31) / 32;
const uint top = threadgroup_position_in_grid.x / across * 32, left = threadgroup_position_in_grid.x % across * 32;
for (uint i = t / 32; i < 32; i += 8) {
    const bool inside = top + i < rows && left + t % 32 < columns;
    tile[i][t % 32] = inside ? from[ulong(top + i) * columns + left + t % 32] : S(0);
}
// The tile is there before it is read the other way.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint i = t / 32; i < 32; i += 8) {
    if (left + i < columns && top + t % 32 < rows) to[ulong(left + i) * rows + top + t % 32] = tile[t % 32][i];
}
