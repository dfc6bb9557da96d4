// One group of threads for 32 rows a warp.
assign<KIND, DK, LEFT, RIGHT>((const unsigned short*)planes, half_squares, x, n, int(d), padded, size_t(threadgroup_position_in_grid.x) * blockDim.x, (long long*)labels,
                              memory);
