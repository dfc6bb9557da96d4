// The ids that have these ranks; -1 stays. One thread a place.
const size_t at = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (at >= size_t(count)) return;
const int64_t rank = ranks[at];
ids[at] = rank < 0 ? int64_t(-1) : int64_t(sorted[rank]);
