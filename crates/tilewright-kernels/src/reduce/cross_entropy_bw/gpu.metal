// Each part of each row: maxima[row], sums[row], target_of[row], dloss[row].
const Item item = item_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x,
                          thread_position_in_threadgroup.x, n, chunk, parts);
if (item.row >= rows) return;  // whole SIMD groups; there is no barrier
const long wanted = target_of[item.row];
const float largest = maxima[item.row], given = dloss[item.row];
// Beside an infinity, and where the target is none of the row, everything is undefined.
const float scale = isinf(largest) || wanted >= long(n) ? NAN : 1.0f / sums[item.row];
const size_t start = size_t(item.row) * n + item.first;
for (uint i = item.lane; i < item.count; i += item.lanes) {
    const float share = precise::exp(float(x[start + i]) - largest) * scale;
    const float hit = wanted == long(item.first + i) ? 1.0f : 0.0f;
    out[start + i] = wanted < 0 ? T(0.0f) : T((share - hit) * given);
}
