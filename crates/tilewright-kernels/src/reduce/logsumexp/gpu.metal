// The running maximum, the sum relative to it and their logarithm, for each part of each row: [row, part].
const Item item = item_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x,
                          thread_position_in_threadgroup.x, n, chunk, parts);
if (item.index >= items) return;  // whole SIMD groups, and only where there is no barrier
threadgroup Online scratch[8];
const Online part = combine(reduce<Online, float>(x, item, n, shift), item, wide, scratch);
if (item.lane == 0) {
    largest[item.index] = part.largest;
    sum[item.index] = part.sum;
    out[item.index] = T(part.largest + precise::log(part.sum));
}
