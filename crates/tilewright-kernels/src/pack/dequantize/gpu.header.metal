// Numbers of a row of values, without their scales.
template <typename V, int FORMAT>
float number_of(const device V* row, uint at) {
    if (FORMAT == NIBBLES) return float(int(uint(row[at / 2]) >> (at % 2 * 4) << 28) >> 28);
    if (FORMAT == INTEGERS) return float(row[at]);
    return float_of<FORMAT>(uint(row[at]));
}

// Four of them, of a row that starts at a multiple of four.
template <typename V, int FORMAT>
float4 numbers_of(const device V* row, uint quad) {
    if (FORMAT == NIBBLES) {
        const uint word = ((const device ushort*)row)[quad];
        return float4(int4(uint4(word, word >> 4, word >> 8, word >> 12) << 28) >> 28);
    }
    const uint word = ((const device uint*)row)[quad];
    if (FORMAT == INTEGERS) return float4(int4(uint4(word << 24, word << 16, word << 8, word)) >> 24);
    return float4(float_of<FORMAT>(word & 255), float_of<FORMAT>(word >> 8 & 255), float_of<FORMAT>(word >> 16 & 255), float_of<FORMAT>(word >> 24));
}
