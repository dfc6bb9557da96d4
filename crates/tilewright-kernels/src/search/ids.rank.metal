// How many ids are less than each. One thread an id.
const size_t at = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (at >= size_t(n)) return;
const int64_t id = ids[at];
uint low = 0, high = n;
while (low < high) {
    const uint middle = low + (high - low) / 2;
    if (sorted[middle] < id) low = middle + 1;
    else high = middle;
}
ranks[at] = low;
