// Eight elements a thread, a group apart, so that neighbouring threads take neighbouring elements.
const ulong first = ulong(threadgroup_position_in_grid.x) * threads_per_threadgroup.x * 8 + thread_position_in_threadgroup.x;
for (uint step = 0; step < 8; ++step) {
    const ulong i = first + step * threads_per_threadgroup.x;
    if (i < n) out[i] = T(alpha * float(x[i]) + float(y[i]));
}
