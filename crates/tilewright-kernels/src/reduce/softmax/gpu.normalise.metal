// The quotients of each part of each row: maxima[row], sums[row].
const Item item = item_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x,
                          thread_position_in_threadgroup.x, n, chunk, parts);
if (item.index >= items) return;  // whole SIMD groups; there is no barrier
quotients(x, out, item, n, maxima[item.row], sums[item.row]);
