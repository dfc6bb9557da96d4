// out = alpha (sum of the parts, in order) + beta c, one thread an element.
const uint element = thread_position_in_grid.x;
const uint batch = thread_position_in_grid.y;
if (element >= size) return;
const device S* from = parts + int64_t(batch) * splits * size + element;
S sum = S(0);
for (uint split = 0; split < splits; ++split) sum += from[int64_t(split) * size];
S value = alpha * sum;
if (beta != 0) {
    const int64_t row = element / columns;
    const int64_t column = element % columns;
    const device C* c_from = c + batch_offset(batch, c_shape, c_strides, c_ndim - 2);
    value += beta * S(c_from[row * c_strides[c_ndim - 2] + column * c_strides[c_ndim - 1]]);
}
out[int64_t(batch) * size + element] = O(value);
