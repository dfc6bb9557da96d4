// The largest element of each part of each row: out[row, part].
using A = typename Wide<T>::type;
const Item item = item_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x,
                          thread_position_in_threadgroup.x, n, chunk, parts);
if (item.index >= items) return;  // whole SIMD groups, and only where there is no barrier
threadgroup Best<A> scratch[8];
const Best<A> best = combine(best_of<A>(x, item, n, shift), item, wide, scratch);
if (item.lane == 0) out[item.index] = x[size_t(item.row) * n + best.position];
