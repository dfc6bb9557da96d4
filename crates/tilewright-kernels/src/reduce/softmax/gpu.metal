// Each row, which is one item: its maximum and sum, then the quotients; the second reading comes from a cache.
const Item item = item_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x,
                          thread_position_in_threadgroup.x, n, chunk, parts);
if (item.index >= items) return;  // whole SIMD groups, and only where there is no barrier
threadgroup Online scratch[8];
const Online row = combine(reduce<Online, float>(x, item, n, shift), item, wide, scratch);
quotients(x, out, item, n, row.largest, row.sum);
