// One warp a query, `padded` of them in all; those from the b-th on are zeros.
const unsigned number = threadgroup_position_in_grid.x * (blockDim.x / 32) + threadIdx.x / 32;
if (number < padded) prepare<KIND>(queries, number, number < b, int(d), DK, (unsigned short*)rounded, bounds);
