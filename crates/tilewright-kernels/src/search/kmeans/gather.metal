// Rows of x one after another. One SIMD group a row.
const size_t to = size_t(threadgroup_position_in_grid.x) * d, from = size_t(rows[threadgroup_position_in_grid.x]) * d;
for (uint j = thread_position_in_threadgroup.x; j < d; j += 32) some[to + j] = x[from + j];
