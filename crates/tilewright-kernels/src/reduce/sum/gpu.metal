// The sum of each part of each row: out[row, part], or out[row, part, 2] with the error beside the rounded sum.
using A = typename Sum<T>::type;
using R = typename Reducer<A, COMPENSATED>::type;
const Item item = item_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x,
                          thread_position_in_threadgroup.x, n, chunk, parts);
if (item.index >= items) return;  // whole SIMD groups, and only where there is no barrier
threadgroup R scratch[8];
const R sum = combine(reduce<R, A>(x, item, n, shift), item, wide, scratch);
if (item.lane == 0) write(sum, item, parts, out);
