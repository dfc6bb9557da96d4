// Candidates as distances and ids.
const size_t i = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (i < size_t(count)) show(candidates[i], i, distances, ids);
