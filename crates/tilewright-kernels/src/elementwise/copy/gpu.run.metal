// One run, converted: each thread takes two vectors of four elements; neighbouring threads take neighbouring vectors.
const device S* from = (const device S*)x;
device D* to = (device D*)out;
ulong apart = ulong(threads_per_threadgroup.x) * 4;
ulong first = ulong(threadgroup_position_in_grid.x) * apart * 2 + thread_position_in_threadgroup.x * 4;
if (ALIGNED && first + apart + 4 <= n) {
    // Both are on their way before the first is waited for.
    vec<S, 4> near = *(const device vec<S, 4>*)(from + first), far = *(const device vec<S, 4>*)(from + first + apart);
    vec<D, 4> near_out, far_out;
    for (uint lane = 0; lane < 4; ++lane) {
        near_out[lane] = Convert<S, FROM, D, TO>::of(near[lane]);
        far_out[lane] = Convert<S, FROM, D, TO>::of(far[lane]);
    }
    *(device vec<D, 4>*)(to + first) = near_out;
    *(device vec<D, 4>*)(to + first + apart) = far_out;
} else {
    for (uint j = 0; j < 8; ++j) {
        ulong i = first + (j / 4) * apart + j % 4;
        if (i < n) to[i] = Convert<S, FROM, D, TO>::of(from[i]);
    }
}
