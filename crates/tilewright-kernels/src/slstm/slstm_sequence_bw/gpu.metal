// One sequence of one head, from its last token to its first. Thread t has unit t's cell, and the columns t, t + threads, .. of the product that leads back to h:
// column (g, a) sums over the units of gate g alone, so that four threads share the sum of a unit.
const uint t = thread_position_in_threadgroup.x, threads = threads_per_threadgroup.x;
const uint head = threadgroup_position_in_grid.x % heads, text = threadgroup_position_in_grid.x / heads;
const size_t place = threadgroup_position_in_grid.x, kept = size_t(head) * batch + text;
const uint columns = 4 * d;

threadgroup float* by_pre = scratch;            // [4, d]
threadgroup float* parts = scratch + columns;   // [4, d]
threadgroup T* weights = (threadgroup T*)(scratch + 2 * columns);
const device T* rows = r + size_t(head) * columns * d;
if (NEAR) {
    for (uint at = t; at < columns * d; at += threads) weights[at] = rows[at];
}

const bool unit = t < d;
const size_t own = place * d + t;
float dc = 0.0f, dn = 0.0f, dh = 0.0f;
if (seeded && unit) {
    dc = float(loss_c_last[own]);
    dn = float(loss_n_last[own]);
    dh = float(loss_h_last[own]);
}
float c_start = 0.0f, n_start = 0.0f, m_start = 0.0f;
if (resume && unit) {
    c_start = float(c_first[own]);
    n_start = float(n_first[own]);
    m_start = float(m_first[own]);
}
for (uint left = s; left > 0; --left) {
    const uint token = left - 1;
    const size_t at = place * s + token, at_kept = kept * s + token;
    if (unit) {
        const device float* gates = pre + at_kept * columns;
        const float f = gates[2 * d + t], o = gates[3 * d + t];
        const float c = c_kept[at_kept * d + t], n = n_kept[at_kept * d + t];
        // What stood before the token: what the one before left.
        const float c_before = token > 0 ? c_kept[(at_kept - 1) * d + t] : c_start;
        const float n_before = token > 0 ? n_kept[(at_kept - 1) * d + t] : n_start;
        const float m_before = token > 0 ? m_kept[(at_kept - 1) * d + t] : m_start;
        const Factors by = factors(log_forget(exponential, f) + m_before, gates[d + t], n_before, m_before);
        const float value = tanh(gates[t]), gate = sigmoid(o);
        const float share = n == 0.0f ? 0.0f : 1.0f / n;
        const float mean = c * share;
        dh += float(loss_h[at * d + t]);
        const float by_mean = dh * gate * share;
        dc += by_mean;
        dn -= by_mean * mean;
        const float by_log_f = by.keep * (dc * c_before + dn * n_before);
        const float dz = dc * by.take * (1.0f - value * value);
        const float di = by.take * (dc * value + dn);
        const float df = exponential ? by_log_f : by_log_f * sigmoid(-f);
        const float dout = dh * mean * gate * sigmoid(-o);
        dc *= by.keep;
        dn *= by.keep;
        by_pre[t] = dz;
        by_pre[d + t] = di;
        by_pre[2 * d + t] = df;
        by_pre[3 * d + t] = dout;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the gradients of all gates are there, and the weights; parts of the token after have been read
    for (uint column = t; column < columns; column += threads) {
        const uint first = column / d * d, a = column % d;
        float sum = 0.0f;
        for (uint e = first; e < first + d; ++e) {
            sum += (NEAR ? float(weights[e * d + a]) : float(rows[size_t(e) * d + a])) * by_pre[e];
        }
        parts[column] = sum;
        dpre[at_kept * columns + column] = by_pre[column];
        dx[at * columns + column] = T(by_pre[column]);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all parts are there; the gradients of the gates have been read
    if (unit) dh = (parts[t] + parts[d + t]) + (parts[2 * d + t] + parts[3 * d + t]);
}
if (unit) {
    dc_first[own] = dc;
    dn_first[own] = dn;
    dh_first[own] = dh;
    dm_first[own] = dc * c_start + dn * n_start;
}
