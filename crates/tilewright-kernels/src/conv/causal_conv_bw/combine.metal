// The blocks' sums, added up in their order.
const uint j = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (j >= d) return;
for (uint k = 0; k <= W; ++k) {
    float sum = 0.0f;
    for (uint block = 0; block < blocks; ++block) sum += parts[(size_t(block) * (W + 1) + k) * d + j];
    if (k < W) {
        dweight[size_t(j) * W + k] = T(sum);
    } else {
        dbias[j] = T(sum);
    }
}
