// Any strides: each thread finds the place of one element and walks on along the last axis for the three after it.
using index_t = typename Index<LARGE>::type;
const device S* from = (const device S*)x;
device D* to = (device D*)out;
index_t first = index_t(thread_position_in_grid.x) * 4;
index_t end = first + 4 < index_t(n) ? first + 4 : index_t(n);
index_t extent = index_t(x_shape[x_ndim - 1]);
int64_t stride = x_strides[x_ndim - 1];
index_t left = 0;
int64_t place = 0;
for (index_t i = first; i < end; ++i) {
    if (left == 0) {
        index_t rest = i;
        place = 0;
        for (int axis = x_ndim - 1; axis >= 0; --axis) {
            index_t outer = rest / index_t(x_shape[axis]);
            place += int64_t(rest - outer * index_t(x_shape[axis])) * x_strides[axis];
            rest = outer;
        }
        left = extent - i % extent;
    }
    to[i] = Convert<S, FROM, D, TO>::of(from[place]);
    place += stride;
    --left;
}
