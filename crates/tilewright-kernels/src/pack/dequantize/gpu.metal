// Four neighbours of a row a thread.
const size_t id = thread_position_in_grid.x;
const uint quads = (n + 3) / 4, row = id / quads, first = 4 * uint(id % quads);
if (row >= rows) return;
const device V* bytes = values + size_t(row) * width;
const device float* row_scales = scales + size_t(row) * blocks;
device T* target = out + size_t(row) * n;
if (VECTORS) {
    // Blocks are whole quads, and so is the row.
    const float scale = row_scales[first / block];
    int4 q;
    if (NIBBLES) {
        const uint word = ((const device ushort*)bytes)[first / 4];
        q = int4(uint4(word, word >> 4, word >> 8, word >> 12) << 28) >> 28;
    } else {
        const uint word = ((const device uint*)bytes)[first / 4];
        q = int4(uint4(word << 24, word << 16, word << 8, word)) >> 24;
    }
    ((device vec<T, 4>*)target)[first / 4] = vec<T, 4>(float4(q) * scale);
} else {
    for (uint at = first; at < min(first + 4, n); ++at) {
        int q = 0;
        if (NIBBLES) q = int(uint(bytes[at / 2]) >> (at % 2 * 4) << 28) >> 28;
        else q = int(bytes[at]);
        target[at] = T(float(q) * row_scales[at / block]);
    }
}
