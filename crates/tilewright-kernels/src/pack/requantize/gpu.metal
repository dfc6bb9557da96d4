// Each thread takes four times 16 values, neighbours side by side, or with rows of other lengths one byte of the result at a time; and its share of the scales.
const uint t = thread_position_in_threadgroup.x, threads = threads_per_threadgroup.x;
if (WORDS) {
    const ulong first = ulong(threadgroup_position_in_grid.x) * threads * 4 + t;
    const device uint4* from = (const device uint4*)values;
    uint4 four[4];
    for (uint i = 0; i < 4; ++i) {
        const ulong at = first + i * threads;
        four[i] = at < pieces ? from[at] : uint4(0);
    }
    for (uint i = 0; i < 4; ++i) {
        const ulong at = first + i * threads;
        const uint4 x = four[i];
        if (at < pieces) ((device uint2*)out)[at] = uint2(halves_of(x.x) | halves_of(x.y) << 16, halves_of(x.z) | halves_of(x.w) << 16);
    }
} else {
    const uint at = thread_position_in_grid.x, row = at / width, column = at % width;
    if (at < pieces) {
        const device int8_t* pair = values + ulong(row) * n + 2 * column;
        uint two = uint(uchar(pair[0]));
        if (2 * column + 1 < n) two |= uint(uchar(pair[1])) << 8;
        out[at] = uchar(halves_of(two));
    }
}
const ulong all = ulong(threadgroups_per_grid.x) * threads;
for (ulong i = thread_position_in_grid.x; i < blocks; i += all) scales_out[i] = scales[i] * factor;
