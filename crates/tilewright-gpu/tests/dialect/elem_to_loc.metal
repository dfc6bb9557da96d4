// 24 threads: x [2, 3, 4] float, seen with its axes as (4, 2, 3): x_shape {4, 2, 3}, x_strides {1, 12, 4};
// out [24 * 6] float. Each form finds the element.
const uint i = thread_position_in_grid.x;
const uint3 position(i % 3, i / 3 % 2, i / 6);
uint n = i * 6;
out[n++] = x[elem_to_loc(i, x_shape, x_strides, x_ndim)];
out[n++] = x[elem_to_loc(int64_t(i), x_shape, x_strides, x_ndim)];
out[n++] = x[elem_to_loc<uint>(position, x_shape, x_strides, x_ndim)];
out[n++] = x[elem_to_loc_3(position, x_strides)] - x[elem_to_loc_2(uint2(0, 0), x_strides)] +
           x[elem_to_loc_1<uint>(0, x_strides[1])];
out[n++] = x[elem_to_loc_2_nd(position, x_shape, x_strides, x_strides, x_ndim).y] -
           x[elem_to_loc_3_nd(position, x_shape, x_strides, x_strides, x_strides, x_ndim).z];
LoopedElemToLoc<3> walk(x_ndim);
for (uint k = 0; k < i; ++k) walk.next(x_shape, x_strides);
out[n++] = x[walk.location()];
