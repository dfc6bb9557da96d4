// Who works on which row: a whole threadgroup (`wide`), or one of its SIMD groups.
struct Row {
    uint index;
    uint lane, lanes;  // that share it
};

inline Row row_of(bool wide, uint group, uint threads, uint thread_index) {
    Row row;
    row.index = wide ? group : group * (threads / 32) + thread_index / 32;
    row.lane = wide ? thread_index : thread_index % 32;
    row.lanes = wide ? threads : 32;
    return row;
}

// sigma(x), without overflow.
inline float opened(float x) {
    const float e = exp(-fabs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// Its derivative, sigma(x) sigma(-x), of which nothing cancels.
inline float opening(float x) {
    const float e = exp(-fabs(x));
    return e / ((1.0f + e) * (1.0f + e));
}

// The sum over the lanes of a row; every lane gets it. `scratch`: one number for each SIMD group.
inline float total(float value, Row row, bool wide, threadgroup float* scratch) {
    value = simd_sum(value);
    if (wide) {
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the last total has been read
        if (row.lane % 32 == 0) scratch[row.lane / 32] = value;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' sums are there
        value = scratch[0];
        for (uint group = 1; group < row.lanes / 32; ++group) value += scratch[group];
    }
    return value;
}

// The mean of a row, 0 unless it is to be taken off, and r = (mean square of the rest + eps)^-1/2.
template <bool CENTRED, typename T>
float2 moments_of(const device T* x, Row row, uint n, float eps, bool wide, threadgroup float* scratch) {
    float mean = 0.0f;
    if (CENTRED) {
        float sum = 0.0f;
        for (uint i = row.lane; i < n; i += row.lanes) sum += float(x[i]);
        mean = total(sum, row, wide, scratch) / float(n);
    }
    float square = 0.0f;
    for (uint i = row.lane; i < n; i += row.lanes) {
        const float centred = float(x[i]) - mean;
        square += centred * centred;
    }
    square = total(square, row, wide, scratch) / float(n);
    return float2(mean, 1.0f / precise::sqrt(square + eps));
}
