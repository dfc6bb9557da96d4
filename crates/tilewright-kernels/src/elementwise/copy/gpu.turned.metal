// Tiles that are read along `axis`, where the source has stride 1, and written along the last axis, where the output has.
threadgroup D tile[TILE][TILE + 1]; // one column more, so that a column of the tile lies in different banks
const device S* from = (const device S*)x;
device D* to = (device D*)out;
int last = x_ndim - 1;
uint height = uint(x_shape[axis]), width = uint(x_shape[last]);
uint tiles_down = (height + TILE - 1) / TILE, tiles_across = (width + TILE - 1) / TILE;
uint group = threadgroup_position_in_grid.x;
uint left = group % tiles_across * TILE;
uint top = group / tiles_across % tiles_down * TILE;

// The item, counted row-major over the axes other than `axis` and the last, in source and output.
uint item = group / tiles_across / tiles_down;
ulong read_at = 0, write_at = 0, row_major = 1, row = 0;
for (int a = last; a >= 0; --a) {
    if (a == axis) {
        row = row_major;
    } else if (a != last) {
        uint position = item % uint(x_shape[a]);
        item /= uint(x_shape[a]);
        read_at += position * ulong(x_strides[a]);
        write_at += position * row_major;
    }
    row_major *= ulong(x_shape[a]);
}
ulong column = ulong(x_strides[last]);

uint across = thread_position_in_threadgroup.x % TILE, down = thread_position_in_threadgroup.x / TILE;
uint step = threads_per_threadgroup.x / TILE;
if (top + across < height) {
    for (uint j = down; j < TILE && left + j < width; j += step) {
        tile[j][across] = Convert<S, FROM, D, TO>::of(from[read_at + (top + across) + (left + j) * column]);
    }
}
// The tile is complete before any thread reads what others wrote.
threadgroup_barrier(mem_flags::mem_threadgroup);
if (left + across < width) {
    for (uint i = down; i < TILE && top + i < height; i += step) {
        to[write_at + (top + i) * row + left + across] = tile[across][i];
    }
}
