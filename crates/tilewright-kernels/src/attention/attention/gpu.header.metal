constant constexpr uint EDGE = 64;   // queries of a group, and keys of a tile
constant constexpr uint STEP = 32;   // columns of q and k, or rows of v, that are in threadgroup memory at a time
constant constexpr uint PITCH = 68;  // a row of 64 there: rows of four start aligned, and not all in one bank

// Up to four elements of a row; 0 beyond them.
template <typename T> inline float4 four(const device T* from, uint count, bool aligned) {
    if (aligned && count >= 4) {
        const vec<T, 4> all = *(const device vec<T, 4>*)from;
        return float4(float(all.x), float(all.y), float(all.z), float(all.w));
    }
    float4 some = float4(0.0f);
    if (count > 0) some.x = float(from[0]);
    if (count > 1) some.y = float(from[1]);
    if (count > 2) some.z = float(from[2]);
    if (count > 3) some.w = float(from[3]);
    return some;
}

// How many elements of a row of `length` lie from `at` on.
inline uint left_of(uint length, uint at) { return at < length ? length - at : 0u; }

// Columns depth .. depth + STEP of 64 rows, to where each column is a row of `tile`. The rows from `count` on are 0.
template <typename T>
inline void load_columns(threadgroup float (*tile)[PITCH], const device T* rows, uint count, uint length, uint depth, bool aligned, uint t) {
    for (uint at = t; at < EDGE * STEP / 4; at += 256) {
        const uint row = at / (STEP / 4), column = at % (STEP / 4) * 4;
        const uint there = row < count ? left_of(length, depth + column) : 0u;
        const float4 run = four(rows + ulong(row) * length + depth + column, there, aligned);
        tile[column][row] = run.x;
        tile[column + 1][row] = run.y;
        tile[column + 2][row] = run.z;
        tile[column + 3][row] = run.w;
    }
}
