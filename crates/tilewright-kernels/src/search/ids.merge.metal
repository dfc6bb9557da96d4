// A pass of a merge sort: each two runs of `width` ids become one. One thread an id, which looks for its place in the other run.
const size_t at = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (at >= size_t(n)) return;
const size_t width_of = size_t(width), run = at / width_of, mine = run * width_of;
const bool second = run % 2 == 1;
const size_t other = second ? mine - width_of : min(mine + width_of, size_t(n));
const int64_t id = from[at];
size_t low = other, high = min(other + width_of, size_t(n));
while (low < high) {
    const size_t middle = (low + high) / 2;
    if (from[middle] < id || (second && from[middle] == id)) low = middle + 1;
    else high = middle;
}
sorted[(second ? other : mine) + (at - mine) + (low - other)] = id;
