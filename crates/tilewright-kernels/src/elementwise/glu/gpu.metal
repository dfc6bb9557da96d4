// Eight elements a thread, in runs of 16 bytes: neighbouring threads take neighbouring runs.
constexpr uint RUN = 16 / sizeof(T);
const ulong group = ulong(threadgroup_position_in_grid.x) * threads_per_threadgroup.x * 8;
for (uint step = 0; step < 8 / RUN; ++step) {
    const ulong first = group + ulong(step * threads_per_threadgroup.x + thread_position_in_threadgroup.x) * RUN;
    if (first >= n) break;
    const int count = int(min(ulong(RUN), n - first));
    const bool wide = WHOLE && count == int(RUN);
    float gate[RUN], value[RUN];
    load_run(a + first, count, wide, gate);
    load_run(b + first, count, wide, value);
    for (uint i = 0; i < RUN; ++i) {
        const float open = sigmoid_of(gate[i]);
        value[i] *= silu ? gate[i] * open : open;
    }
    if (wide) {
        store_run(out + first, value);
    } else {
        for (int i = 0; i < count; ++i) out[first + i] = T(value[i]);
    }
}
