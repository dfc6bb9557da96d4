// 6 x 5 threads in groups of 4 x 2, clipped on both axes: x [30] float = i; out [30] float: x of the thread
// opposite in the same group, through threadgroup memory. What an edge group holds is its own clipped size.
threadgroup float tile[8];
const uint2 at = thread_position_in_threadgroup.xy, size = threads_per_threadgroup.xy;
const uint2 p = thread_position_in_grid.xy;
tile[at.y * size.x + at.x] = x[p.y * threads_per_grid.x + p.x];
threadgroup_barrier(mem_flags::mem_threadgroup);
const uint2 other = size - 1 - at;
out[p.y * threads_per_grid.x + p.x] = tile[other.y * size.x + other.x];
