// Elements that each operand's batch skips: the leading axes, all but the last two, counted off from the innermost.
inline int64_t batch_offset(uint batch, const constant int* shape, const constant int64_t* strides, int ndim) {
    int64_t offset = 0;
    for (int axis = ndim - 3; axis >= 0; --axis) {
        offset += int64_t(batch % uint(shape[axis])) * strides[axis];
        batch /= uint(shape[axis]);
    }
    return offset;
}

// Four elements `step` apart, of which the first `count` exist; the others are 0. `whole` says that they are neighbours
// and that their address suits one load.
template <typename T, typename S>
inline void load_run(const device T* from, int64_t step, int count, bool whole, thread S* to) {
    if (whole && count >= 4) {
        const vec<T, 4> run = *reinterpret_cast<const device vec<T, 4>*>(from);
        for (int i = 0; i < 4; ++i) to[i] = S(run[i]);
    } else {
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
