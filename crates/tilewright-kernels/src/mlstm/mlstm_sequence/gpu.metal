// All tokens of one sequence, for the 8 W columns of C that this group holds in registers from the first token to the last.
// Thread (slice, across) has W columns of the rows slice, slice + slices, ..; the 8 threads of a slice read neighbouring memory.
// n is small: every thread keeps the part of it that goes with its rows.
const uint t = thread_position_in_threadgroup.x;
const uint across = t % 8, slice = t / 8, slices = threads_per_threadgroup.x / 8;
const uint simd = t / 32, simds = threads_per_threadgroup.x / 32;
const uint tile = threadgroup_position_in_grid.x % tiles;
const ulong head = threadgroup_position_in_grid.x / tiles;
const uint column = (tile * 8 + across) * W;
const bool inside = column < dv;  // with W = 4, dv is a multiple of 4
const Cell cell = {sigmoid_gate, normalize, eps, cap};

// Two sets, so that one barrier a token is enough: a set is written again only after the barrier that follows its last reading.
threadgroup float sums[2][16][8 * W];
threadgroup float products[2][16];

float c[ROWS][W], n[ROWS];
for (uint r = 0; r < ROWS; ++r) {
    const uint a = slice + r * slices;
    const bool there = resume && a < dqk;
    n[r] = there ? n_first[head * dqk + a] : 0.0f;
    for (uint w = 0; w < W; ++w) c[r][w] = 0.0f;
    if (there && inside) load_run<W>(c_first + (head * dqk + a) * dv + column, c[r]);
}
float m = resume ? m_first[head] : 0.0f;

for (uint token = 0; token < s; ++token) {
    const ulong at = head * s + token;
    const float log_f = log_forget(cell, f[at]), log_i = log_input(cell, i[at]);
    const float kept = log_f + m;
    m = cell.sigmoid ? 0.0f : max(kept, log_i);
    const float keep = exp(kept - m), take = exp(log_i - m);
    float values[W], sum[W], z = 0.0f;
    for (uint w = 0; w < W; ++w) values[w] = sum[w] = 0.0f;
    if (inside) load_run<W>(v + at * dv + column, values);
    for (uint r = 0; r < ROWS; ++r) {
        const uint a = slice + r * slices;
        if (a >= dqk) break;
        const float key = take * float(k[at * dqk + a]), query = scale * float(q[at * dqk + a]);
        n[r] = keep * n[r] + key;
        z += query * n[r];
        for (uint w = 0; w < W; ++w) {
            c[r][w] = keep * c[r][w] + key * values[w];
            sum[w] += query * c[r][w];
        }
    }
    // Over the 4 slices of the SIMD group, then over the SIMD groups, always in the same order.
    z += simd_shuffle_xor(z, ushort(8));
    z += simd_shuffle_xor(z, ushort(16));
    for (uint w = 0; w < W; ++w) {
        sum[w] += simd_shuffle_xor(sum[w], ushort(8));
        sum[w] += simd_shuffle_xor(sum[w], ushort(16));
        if (t % 32 < 8) sums[token % 2][simd][across * W + w] = sum[w];
    }
    if (t % 32 == 0) products[token % 2][simd] = z;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' parts are there
    const uint own = tile * 8 * W + t;
    if (t < 8 * W && own < dv) {
        float numerator = 0.0f, product = 0.0f;
        for (uint other = 0; other < simds; ++other) {
            numerator += sums[token % 2][other][t];
            product += products[token % 2][other];
        }
        float result = numerator * readout(cell, product, m);
        if (gated) result *= sigmoid(float(o[at * dv + own]));
        h[at * dv + own] = T(result);
    }
}

for (uint r = 0; r < ROWS; ++r) {
    const uint a = slice + r * slices;
    if (a >= dqk) break;
    if (inside) store_run<W>(c_last + (head * dqk + a) * dv + column, c[r]);
    if (tile == 0 && across == 0) n_last[head * dqk + a] = n[r];
}
if (tile == 0 && t == 0) m_last[head] = m;
