// One thread: x [12] float; h, b [12] ushort: the bits of half(x) and bfloat(x); back [24] float: the values
// again.
for (int i = 0; i < 12; ++i) {
    const half p = half(x[i]);
    const bfloat q = static_cast<bfloat>(x[i]);
    h[i] = as_type<ushort>(p);
    b[i] = as_type<ushort>(q);
    back[2 * i] = p;
    back[2 * i + 1] = float(q);
}
