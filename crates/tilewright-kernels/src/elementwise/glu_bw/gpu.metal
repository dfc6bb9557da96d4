// Eight elements a thread, a group apart, so that neighbouring threads take neighbouring elements.
const ulong first = ulong(threadgroup_position_in_grid.x) * threads_per_threadgroup.x * 8 + thread_position_in_threadgroup.x;
for (uint step = 0; step < 8; ++step) {
    const ulong i = first + step * threads_per_threadgroup.x;
    if (i >= n) break;
    const float gate = float(a[i]), given = float(dy[i]);
    const float open = sigmoid_of(gate), shut = sigmoid_of(-gate);
    da[i] = T(given * float(b[i]) * (open * (silu ? 1.0f + gate * shut : shut)));
    db[i] = T(given * (silu ? gate * open : open));
}
