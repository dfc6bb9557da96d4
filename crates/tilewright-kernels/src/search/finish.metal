// Candidates as distances and ids.
const size_t i = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (i >= size_t(count)) return;
const ulong candidate = candidates[i];
const uint key = ~uint(candidate >> 32);
const uint bits = key >> 31 ? key ^ 0x80000000u : ~key;
distances[i] = candidate == 0 ? INFINITY : key == ~0u ? NAN : as_type<float>(bits);
ids[i] = candidate == 0 ? int64_t(-1) : int64_t(~uint(candidate));
