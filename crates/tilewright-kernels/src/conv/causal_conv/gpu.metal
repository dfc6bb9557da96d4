// A group for each token; neighbouring threads take neighbouring channels.
const uint token = threadgroup_position_in_grid.x;
const uint text = token / s, t = token % s;
for (uint j = thread_position_in_threadgroup.x; j < d; j += threads_per_threadgroup.x) {
    float sum = 0.0f;
    for (uint k = 0; k < W; ++k) {
        sum += float(weight[size_t(j) * W + k]) * seen<W>(x, state, stated, text, t, W - 1 - k, s, d, j);
    }
    out[size_t(token) * d + j] = T(biased ? sum + float(bias[j]) : sum);
}
