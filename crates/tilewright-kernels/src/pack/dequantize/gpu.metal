// Four neighbours of a row a thread.
const size_t id = thread_position_in_grid.x;
const uint quads = (n + 3) / 4, row = id / quads, first = 4 * uint(id % quads);
if (row >= rows) return;
const device V* bytes = (const device V*)values + size_t(row) * width;
const device float* row_scales = scales + size_t(row) * blocks;
device T* target = out + size_t(row) * n;
if (VECTORS) {
    // Blocks are whole quads, and so is the row.
    const float scale = row_scales[first / block];
    float4 q;
    if (FORMAT == NIBBLES) {
        const uint word = ((const device ushort*)bytes)[first / 4];
        q = float4(int4(uint4(word, word >> 4, word >> 8, word >> 12) << 28) >> 28);
    } else {
        const uint word = ((const device uint*)bytes)[first / 4];
        if (FORMAT == INTEGERS) q = float4(int4(uint4(word << 24, word << 16, word << 8, word)) >> 24);
        else q = float4(float_of<FORMAT>(word & 255), float_of<FORMAT>(word >> 8 & 255), float_of<FORMAT>(word >> 16 & 255), float_of<FORMAT>(word >> 24));
    }
    ((device vec<T, 4>*)target)[first / 4] = vec<T, 4>(q * scale);
} else {
    for (uint at = first; at < min(first + 4, n); ++at) {
        float q;
        if (FORMAT == NIBBLES) q = float(int(uint(bytes[at / 2]) >> (at % 2 * 4) << 28) >> 28);
        else if (FORMAT == INTEGERS) q = float(bytes[at]);
        else q = float_of<FORMAT>(uint(bytes[at]));
        target[at] = T(q * row_scales[at / block]);
    }
}
