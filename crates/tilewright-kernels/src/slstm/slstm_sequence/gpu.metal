// One sequence of one head. Thread t has the columns t, t + threads, .. of the recurrent product, which are the gates of all units one after another, and
// the cell of unit t.
const uint t = thread_position_in_threadgroup.x, threads = threads_per_threadgroup.x;
const uint head = threadgroup_position_in_grid.x % heads, text = threadgroup_position_in_grid.x / heads;
const size_t place = threadgroup_position_in_grid.x, kept = size_t(head) * batch + text;
const uint columns = 4 * d;

threadgroup float* seen = scratch;         // [d]: h of the token before
threadgroup float* pre = scratch + d;      // [4, d]
threadgroup T* weights = (threadgroup T*)(scratch + 5 * d);
const device T* rows = r + size_t(head) * columns * d;
if (NEAR) {
    for (uint at = t; at < columns * d; at += threads) weights[at] = rows[at];
}

const bool unit = t < d;
const size_t own = place * d + t;
float c_now = 0.0f, n_now = 0.0f, h_now = 0.0f, m_now = 0.0f;
if (resume && unit) {
    c_now = float(c_first[own]);
    n_now = float(n_first[own]);
    h_now = float(h_first[own]);
    m_now = float(m_first[own]);
}
for (uint token = 0; token < s; ++token) {
    const size_t at = place * s + token, at_kept = kept * s + token;
    if (unit) {
        seen[t] = h_now;
        KEPT(h_kept[at_kept * d + t] = h_now;)
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // h is there, and the weights; pre-activations of the token before have been read
    for (uint column = t; column < columns; column += threads) {
        float sum = float(x[at * columns + column]);
        if (NEAR) {
            for (uint a = 0; a < d; ++a) sum += float(weights[a * columns + column]) * seen[a];
        } else {
            for (uint a = 0; a < d; ++a) sum += float(rows[size_t(a) * by_seen + size_t(column) * by_column]) * seen[a];
        }
        pre[column] = sum;
        KEPT(pre_kept[at_kept * columns + column] = sum;)
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all gates are there; h of the token before has been read
    if (unit) {
        const Factors by = factors(log_forget(exponential, pre[2 * d + t]) + m_now, pre[d + t], n_now, m_now);
        c_now = by.keep * c_now + by.take * tanh(pre[t]);
        n_now = by.keep * n_now + by.take;
        m_now = by.m;
        h_now = n_now == 0.0f ? 0.0f : sigmoid(pre[3 * d + t]) * (c_now / n_now);
        out[at * d + t] = T(h_now);
        KEPT(c_kept[at_kept * d + t] = c_now;)
        KEPT(n_kept[at_kept * d + t] = n_now;)
        KEPT(m_kept[at_kept * d + t] = m_now;)
    }
}
if (unit) {
    c[own] = c_now;
    n[own] = n_now;
    h[own] = h_now;
    m[own] = m_now;
}
