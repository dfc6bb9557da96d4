// The elements and positions of each row's first k candidates, from[row, length].
const size_t id = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
const size_t row = id / k;
if (row >= rows) return;
const uint position = position_of(from[row * length + id % k]);
values[id] = x[row * n + position];
positions[id] = position;
