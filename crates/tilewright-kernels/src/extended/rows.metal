// A group of 256 threads a piece of a row: each adds up every 256th term, then SIMD groups theirs, then the first the groups'.
threadgroup S high[8];
threadgroup S low[8];
const uint t = thread_index_in_threadgroup;
const uint part = threadgroup_position_in_grid.x, row = part / pieces;
const uint begin = part % pieces * piece, end = min(begin + piece, n);
const ulong base = ulong(row) * n;
Twofold<S> sum = Twofold<S>{S(0), S(0)};
for (uint i = begin + t; i < end; i += 256) {
    const Twofold<S> a = Twofold<S>{x[base + i], x_has_low ? x_low[base + i] : S(0)};
    if (PRODUCTS) {
        sum = plus(sum, times(a, Twofold<S>{y[base + i], y_has_low ? y_low[base + i] : S(0)}));
    } else {
        sum = plus(sum, a);
    }
}
#pragma unroll
for (ushort distance = 16; distance > 0; distance /= 2) {
    sum = plus(sum, Twofold<S>{simd_shuffle_xor(sum.high, distance), simd_shuffle_xor(sum.low, distance)});
}
if (t % 32 == 0) {
    high[t / 32] = sum.high;
    low[t / 32] = sum.low;
}
// The sums of all SIMD groups are there before they are added.
threadgroup_barrier(mem_flags::mem_threadgroup);
if (t == 0) {
    for (uint g = 1; g < 8; ++g) sum = plus(sum, Twofold<S>{high[g], low[g]});
    out[part] = sum.high;
    out_low[part] = sum.low;
}
