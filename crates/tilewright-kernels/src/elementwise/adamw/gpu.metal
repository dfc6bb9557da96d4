// Eight elements a thread, a group apart, so that neighbouring threads take neighbouring elements.
const ulong first = ulong(threadgroup_position_in_grid.x) * threads_per_threadgroup.x * 8 + thread_position_in_threadgroup.x;
for (uint step = 0; step < 8; ++step) {
    const ulong i = first + step * threads_per_threadgroup.x;
    if (i >= n) break;
    const float g = scale * dp[i];
    const float mean = beta1 * m[i] + fresh1 * g;
    const float square = beta2 * v[i] + fresh2 * (g * g);
    m[i] = mean;
    v[i] = square;
    p[i] = keep * p[i] - rate * (mean / (precise::sqrt(square * correction) + eps));
}
