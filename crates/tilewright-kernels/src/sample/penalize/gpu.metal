// A chunk of a row a threadgroup: what is known of its tokens is gathered in threadgroup memory, then they are changed.
constexpr uint CHUNK = 2048;
threadgroup atomic_uint counts[CHUNK];
threadgroup float shifts[CHUNK];
const uint lane = thread_position_in_threadgroup.x, lanes = threads_per_threadgroup.x;
const uint row = threadgroup_position_in_grid.y, first = threadgroup_position_in_grid.x * CHUNK;
const uint count = min(CHUNK, n - first);
const bool known = entries + biased > 0;
if (known) {
    for (uint i = lane; i < count; i += lanes) {
        atomic_store_explicit(&counts[i], 0u, memory_order_relaxed);
        shifts[i] = 0.0f;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all is empty
    for (uint i = lane; i < entries; i += lanes) {
        const uint at = uint(history[size_t(row) * entries + i]) - first;  // of a negative one: beyond every chunk
        if (at < count) atomic_fetch_add_explicit(&counts[at], 1u, memory_order_relaxed);
    }
    for (uint i = lane; i < biased; i += lanes) {
        const uint at = uint(tokens[size_t(row) * biased + i]) - first;
        if (at < count) shifts[at] = biases[size_t(row) * biased + i];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all that is known is there
}
const float repetition = penalties[3 * row], frequency = penalties[3 * row + 1], presence = penalties[3 * row + 2];
const float inverse = 1.0f / repetition;
const size_t at = size_t(row) * n + first;
for (uint i = lane; i < count; i += lanes) {
    float z = float(logits[at + i]);
    if (known) {
        const uint often = atomic_load_explicit(&counts[i], memory_order_relaxed);
        const float factor = often == 0 ? 1.0f : z > 0.0f ? inverse : repetition;
        z = fma(z, factor, fma(-frequency, float(often), shifts[i] - (often == 0 ? 0.0f : presence)));
    }
    if (MASKED && (mask[size_t(row) * ((n + 31) / 32) + (first + i) / 32] >> ((first + i) % 32) & 1) == 0) z = -INFINITY;
    out[at + i] = z;
}
