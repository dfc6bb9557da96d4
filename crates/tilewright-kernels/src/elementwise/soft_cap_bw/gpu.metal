// Each thread takes two vectors of four elements; neighbouring threads take neighbouring vectors.
ulong first_of_group = ulong(threadgroup_position_in_grid.x) * threads_per_threadgroup.x * 8;
for (uint step = 0; step < 2; ++step) {
    ulong first = first_of_group + ulong(step * threads_per_threadgroup.x + thread_position_in_threadgroup.x) * 4;
    if (ALIGNED && first + 4 <= n) {
        vec<T, 4> gradients = *(const device vec<T, 4>*)(dy + first);
        vec<T, 4> values = *(const device vec<T, 4>*)(x + first);
        for (uint lane = 0; lane < 4; ++lane) {
            gradients[lane] = gradient(gradients[lane], values[lane], cap);
        }
        *(device vec<T, 4>*)(dx + first) = gradients;
    } else {
        for (ulong i = first; i < n && i < first + 4; ++i) {
            dx[i] = gradient(dy[i], x[i], cap);
        }
    }
}
