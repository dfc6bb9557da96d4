// One run, converted: each thread takes two vectors of four elements; neighbouring threads take neighbouring vectors.
const device S* from = (const device S*)x;
device D* to = (device D*)out;
ulong first_of_group = ulong(threadgroup_position_in_grid.x) * threads_per_threadgroup.x * 8;
for (uint step = 0; step < 2; ++step) {
    ulong first = first_of_group + ulong(step * threads_per_threadgroup.x + thread_position_in_threadgroup.x) * 4;
    if (ALIGNED && first + 4 <= n) {
        vec<S, 4> values = *(const device vec<S, 4>*)(from + first);
        vec<D, 4> converted;
        for (uint lane = 0; lane < 4; ++lane) {
            converted[lane] = Convert<S, FROM, D, TO>::of(values[lane]);
        }
        *(device vec<D, 4>*)(to + first) = converted;
    } else {
        for (ulong i = first; i < n && i < first + 4; ++i) {
            to[i] = Convert<S, FROM, D, TO>::of(from[i]);
        }
    }
}
