// A group for each token: tap k was seen by the token w - 1 - k later.
const uint token = threadgroup_position_in_grid.x;
const uint t = token % s;
for (uint j = thread_position_in_threadgroup.x; j < d; j += threads_per_threadgroup.x) {
    float sum = 0.0f;
    for (uint k = 0; k < W; ++k) {
        const uint later = W - 1 - k;
        if (t + later < s) sum += float(weight[size_t(j) * W + k]) * float(dy[(size_t(token) + later) * d + j]);
    }
    dx[size_t(token) * d + j] = T(sum);
}
