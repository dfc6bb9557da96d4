// What the loss says by one token's numerator and denominator: a SIMD group a token.
//   g [.., dv] = dh / N; g_1 [.., dv + 1] = (g, dz); v_1 [.., dv + 1] = (v, 1), so that g_1 . v_1 is the gradient of a score
// Where it is gated, dh comes as the gradient dy of sigma(o) h: then dh = sigma(o) dy, and do = sigma(o) sigma(-o) dy h.
const uint lane = thread_position_in_threadgroup.x % 32;
const ulong token = ulong(threadgroup_position_in_grid.x) * (threads_per_threadgroup.x / 32) + thread_position_in_threadgroup.x / 32;
if (token >= tokens) return;  // whole SIMD groups, and there is no barrier
const Cell cell = {sigmoid_gate, normalize, eps, cap};
float by_h = 0.0f;
for (uint b = lane; b < dv; b += 32) {
    const ulong place = token * dv + b;
    float by = float(dh[place]) * h[place];
    if (gated) {
        const float gate = float(o[place]);
        by *= sigmoid(gate);
        do_out[place] = T(by * sigmoid(-gate));
    }
    by_h += by;
}
by_h = simd_sum(by_h);
const float size = z[token], factor = readout(cell, size, m[token]);
// |z| > exp(-m), without overflow.
const bool counts = m[token] < 0.0f ? fabs(size) * exp(m[token]) > 1.0f : fabs(size) > exp(-m[token]);
const float dz = exact && normalize && counts ? -sign(size) * by_h * factor : 0.0f;
for (uint b = lane; b <= dv; b += 32) {
    float x = dz;
    if (b < dv) {
        const ulong place = token * dv + b;
        x = factor * float(dh[place]);
        if (gated) x *= sigmoid(float(o[place]));
        g[place] = x;
    }
    g_1[token * (dv + 1) + b] = x;
    v_1[token * (dv + 1) + b] = b < dv ? v[token * dv + b] : T(1.0f);
}
