// The position of each row's best among the best of its parts: values[row, parts], positions[row, parts].
using A = typename Wide<T>::type;
const uint row = threadgroup_position_in_grid.x, lane = thread_position_in_threadgroup.x;
Best<A> best = Best<A>::none();
for (uint part = lane; part < parts; part += 32) {
    const size_t at = size_t(row) * parts + part;
    best.take(A(values[at]), positions[at]);
}
for (ushort mask = 16; mask > 0; mask /= 2) best.merge(best.from_lane(mask));
if (lane == 0) out[row] = best.position;
