// Four neighbours of a row a thread.
const size_t id = thread_position_in_grid.x;
const uint quads = (n + 3) / 4, row = id / quads, first = 4 * uint(id % quads);
if (row >= rows) return;
const device V* numbers = (const device V*)values + size_t(row) * width;
const device float* row_scales = scales + size_t(row) * blocks;
device T* target = out + size_t(row) * n;
if (VECTORS) {
    // Blocks are whole quads, and so is the row.
    ((device vec<T, 4>*)target)[first / 4] = vec<T, 4>(numbers_of<V, FORMAT>(numbers, first / 4) * row_scales[first / block]);
} else {
    for (uint at = first; at < min(first + 4, n); ++at) target[at] = T(number_of<V, FORMAT>(numbers, at) * row_scales[at / block]);
}
