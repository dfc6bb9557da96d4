// Elements that a batch skips: its place along the leading axes, of which there are `axes`, the last the fastest.
inline int64_t batch_offset(uint batch, const constant int* shape, const constant int64_t* strides, int axes) {
    int64_t offset = 0;
    for (int axis = axes - 1; axis >= 0; --axis) {
        offset += int64_t(batch % uint(shape[axis])) * strides[axis];
        batch /= uint(shape[axis]);
    }
    return offset;
}

// Operands travel in runs of 4 elements, along the terms of the sum or along the lines (rows of a, columns of b), whichever
// are neighbours in memory. The line and the term that a run begins at, in a tile of `depth` terms and `lines` lines:
inline int2 run_place(int run, int depth, int lines, bool by_terms) {
    return by_terms ? int2(run / (depth / 4), run % (depth / 4) * 4) : int2(run % (lines / 4) * 4, run / (lines / 4));
}

// How many elements of it there are, when `lines` and `terms` are left of the operand.
inline int run_count(int2 place, bool by_terms, int lines, int terms) {
    return by_terms ? (place.x < lines ? terms - place.y : 0) : (place.y < terms ? lines - place.x : 0);
}

// Reads a run, with zeros for what is not there. `whole`: its elements are neighbours and its address suits one load.
template <typename T, typename S>
inline void load_run(const device T* from, int64_t step, int count, bool whole, thread S* to) {
    if (whole && count >= 4) {
        const vec<T, 4> run = *reinterpret_cast<const device vec<T, 4>*>(from);
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] = S(run[i]);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] = i < count ? S(from[i * step]) : S(0);
    }
}

// Which tile of the output a group makes. Groups that run together take tiles of 8 neighbouring rows of tiles, so that
// both operands' pieces stay in the last-level cache.
inline uint2 tile_position(uint group, uint down, uint across) {
    const uint band = 8 * across;
    const uint first = group / band * 8;
    const uint height = min(8u, down - first);
    const uint rest = group % band;
    return uint2(first + rest % height, rest / height);
}
