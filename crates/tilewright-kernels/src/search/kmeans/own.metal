// The squared distance of each row from its own centroid. One thread a row.
const uint row = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (row >= n) return;
const size_t from = size_t(row) * d, own = size_t(labels[row]) * d;
float sum = 0;
for (uint j = 0; j < d; ++j) {
    const float off = float(x[from + j]) - centroids[own + j];
    sum += off * off;
}
distances[row] = sum;
