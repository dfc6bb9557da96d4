// The blocks' sums, added up in their order.
const uint column = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (column >= width) return;
float sum = 0.0f;
for (uint block = 0; block < blocks; ++block) sum += parts[size_t(block) * width + column];
dw[column] = T(sum);
