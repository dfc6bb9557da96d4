// What a block of tokens adds to the gradient of a channel's taps and bias: [block, tap or bias, channel].
const uint j = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (j >= d) return;
const uint part = threadgroup_position_in_grid.y, first = part * block, last = min(first + block, tokens);
float sums[W + 1];
for (uint k = 0; k <= W; ++k) sums[k] = 0.0f;
for (uint token = first; token < last; ++token) {
    const uint text = token / s, t = token % s;
    const float given = float(dy[size_t(token) * d + j]);
    for (uint k = 0; k < W; ++k) sums[k] += given * seen<W>(x, state, stated, text, t, W - 1 - k, s, d, j);
    sums[W] += given;
}
for (uint k = 0; k <= W; ++k) parts[(size_t(part) * (W + 1) + k) * d + j] = sums[k];
