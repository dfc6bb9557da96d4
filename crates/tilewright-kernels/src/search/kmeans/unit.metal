// Each centroid divided by its length, unless that is zero. One SIMD group a centroid.
const size_t first = size_t(threadgroup_position_in_grid.x) * d;
const uint lane = thread_position_in_threadgroup.x;
float most = 0;
for (uint j = lane; j < d; j += 32) most = max(most, abs(centroids[first + j]));
most = simd_max(most);
// Divided by the greatest element first, so that no square leaves the range of floats.
float squared = 0;
for (uint j = lane; j < d; j += 32) {
    const float x = most > 0 ? centroids[first + j] / most : 0.0f;
    squared += x * x;
}
const float length = sqrt(simd_sum(squared));
for (uint j = lane; j < d; j += 32) scaled[first + j] = most > 0 ? centroids[first + j] / most / length : centroids[first + j];
