// Groups of 32 rows of the longest list. It begins at 0.
const unsigned list = threadgroup_position_in_grid.x * blockDim.x + threadIdx.x;
const Stretch own = stretch_of(offsets, list, lists, n);
const unsigned groups = __reduce_max_sync(EVERY_LANE, (own.end - own.begin + 31) / 32);
if (threadIdx.x % 32 == 0) atomicMax((unsigned*)most, groups);
