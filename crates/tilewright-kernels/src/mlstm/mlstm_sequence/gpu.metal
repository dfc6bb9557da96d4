// All tokens of one sequence, for the 8 W columns of C that this group holds in registers, as floats, from the first token to the last.
// In memory C is of type S.
// Thread (slice, across) has W columns of the rows slice, slice + slices, ..; the 8 threads of a slice read neighbouring memory.
// n is small: every group keeps all of it, thread t the elements t, t + threads, ..
const uint t = thread_position_in_threadgroup.x, threads = threads_per_threadgroup.x;
const uint across = t % 8, slice = t / 8, slices = threads / 8;
const uint simd = t / 32, simds = threads / 32;
const uint tile = threadgroup_position_in_grid.x % tiles;
const ulong head = threadgroup_position_in_grid.x / tiles;
const uint column = (tile * 8 + across) * W;
const bool inside = column < dv;  // with W = 4, dv is a multiple of 4
const Cell cell = {sigmoid_gate, normalize, eps, cap};

// Keys and queries of a token with their factors. Those beyond the last are zeros, so that rows of C beyond it stay zeros.
threadgroup float keys[64 * ROWS], queries[64 * ROWS];
threadgroup float sums[16][8 * W];
threadgroup float products[16];

// All loads of C are under way before anything waits for one of them.
float c[ROWS][W], n[ROWS / 8];
const device S* c_from = c_first + (head * dqk + slice) * dv + column;
for (uint r = 0; r < ROWS; ++r) {
    const uint a = slice + r * slices;
    for (uint w = 0; w < W; ++w) c[r][w] = 0.0f;
    if (resume && a < dqk && inside) load_run<W>(c_from, c[r]);
    c_from += slices * dv;
}
for (uint r = 0; r < ROWS / 8; ++r) {
    const uint a = t + r * threads;
    n[r] = resume && a < dqk ? n_first[head * dqk + a] : 0.0f;
}
float m = resume ? m_first[head] : 0.0f;

// Known to be one, a token is no loop: C is loaded, multiplied and stored in half the registers, and a row is on its way back before h is summed.
device S* c_to = c_last + (head * dqk + slice) * dv + column;
const uint tokens = ONE ? 1 : s;
for (uint token = 0; token < tokens; ++token) {
    const ulong at = head * s + token;
    float values[W], sum[W], z = 0.0f;
    for (uint w = 0; w < W; ++w) values[w] = sum[w] = 0.0f;
    if (inside) load_run<W>(v + at * dv + column, values);
    const float log_f = log_forget(cell, f[at]), log_i = log_input(cell, i[at]);
    const float kept = log_f + m;
    m = cell.sigmoid ? 0.0f : max(kept, log_i);
    const float keep = exp(kept - m), take = exp(log_i - m);
    for (uint r = 0; r < ROWS / 8; ++r) {
        const uint a = t + r * threads;
        const float key = a < dqk ? take * float(k[at * dqk + a]) : 0.0f;
        const float query = a < dqk ? scale * float(q[at * dqk + a]) : 0.0f;
        keys[a] = key;
        queries[a] = query;
        n[r] = keep * n[r] + key;
        z += query * n[r];
    }
    z = simd_sum(z);
    if (t % 32 == 0) products[simd] = z;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // keys and queries are there, and the sums of the token before have been read
    for (uint r = 0; r < ROWS; ++r) {
        const float key = keys[slice + r * slices], query = queries[slice + r * slices];
        for (uint w = 0; w < W; ++w) {
            c[r][w] = keep * c[r][w] + key * values[w];
            sum[w] += query * c[r][w];
        }
        if (ONE && slice + r * slices < dqk && inside) store_run<W>(c_to + ulong(r * slices) * dv, c[r]);
    }
    // Over the 4 slices of the SIMD group, then over the SIMD groups, always in the same order.
    for (uint w = 0; w < W; ++w) {
        sum[w] += simd_shuffle_xor(sum[w], ushort(8));
        sum[w] += simd_shuffle_xor(sum[w], ushort(16));
        if (t % 32 < 8) sums[simd][across * W + w] = sum[w];
    }
    float product = 0.0f;
    for (uint other = 0; other < simds; ++other) product += products[other];
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' parts are there; keys, queries and products have been read
    const uint own = tile * 8 * W + t;
    if (t < 8 * W && own < dv) {
        float numerator = 0.0f;
        for (uint other = 0; other < simds; ++other) numerator += sums[other][t];
        float result = numerator * readout(cell, product, m);
        if (gated) result *= sigmoid(float(o[at * dv + own]));
        h[at * dv + own] = T(result);
    }
}

for (uint r = 0; r < ROWS; ++r) {
    const uint a = slice + r * slices;
    if (!ONE && a < dqk && inside) store_run<W>(c_to, c[r]);
    c_to += slices * dv;
}
for (uint r = 0; r < ROWS / 8; ++r) {
    const uint a = t + r * threads;
    if (tile == 0 && a < dqk) n_last[head * dqk + a] = n[r];
}
if (tile == 0 && t == 0) m_last[head] = m;
