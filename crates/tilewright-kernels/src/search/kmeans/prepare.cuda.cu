// One warp a centroid, `padded` of them in all.
const unsigned number = threadgroup_position_in_grid.x * (blockDim.x / 32) + threadIdx.x / 32;
if (number < padded) prepare_centroid<HALF, LEFT, PANELS>(centroids, number, k, padded, int(d), DK, (unsigned short*)planes, half_squares);
