// 64 threads: x [64] float in (-4, 4); out [64 * 10] float: metal::fast, to about 2^-17 of the larger of 1
// and the value.
const uint i = thread_position_in_grid.x;
const float v = x[i], p = abs(v) + 0.5f;
uint n = i * 10;
out[n++] = fast::exp(v);
out[n++] = metal::fast::log(p);
out[n++] = fast::exp2(v);
out[n++] = fast::log2(p);
out[n++] = fast::sin(v);
out[n++] = fast::cos(v);
out[n++] = fast::divide(v, p);
out[n++] = fast::rsqrt(p);
out[n++] = fast::tanh(v);
out[n++] = fast::pow(p, 1.5f);
