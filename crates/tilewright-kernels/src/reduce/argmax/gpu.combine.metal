// The position of each row's best among the best of its parts: values[row, parts], positions[row, parts].
using A = typename Wide<T>::type;
const uint row = threadgroup_position_in_grid.x;
Item item;
item.lane = thread_position_in_threadgroup.x;
item.lanes = threads_per_threadgroup.x;
Best<A> best = Best<A>::none();
for (uint part = item.lane; part < parts; part += item.lanes) {
    const size_t at = size_t(row) * parts + part;
    best.take(A(values[at]), positions[at]);
}
threadgroup Best<A> scratch[8];
best = combine(best, item, item.lanes > 32, scratch);
if (item.lane == 0) out[row] = best.position;
