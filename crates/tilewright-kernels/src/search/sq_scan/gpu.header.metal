// Distances of scalar-quantised rows to one query, by a SIMD group; METRIC as in the scan of plain rows.

template <int BITS>
uint word_of(const device uchar* code, uint j) {
    if (BITS == 8) return code[j];
    if (BITS == 4) return (code[j / 2] >> (j % 2 * 4)) & 15;
    const uint at = j * 6 / 8, shift = j * 6 % 8;
    uint two = code[at];
    if (shift > 2) two |= uint(code[at + 1]) << 8;  // the word ends in the next byte
    return (two >> shift) & 63;
}

// The distances of rows first, first + 1, ..., those beyond `last` taken for the last one. All 32 lanes take part and get the same. `centroid` is read where RESIDUAL.
template <int BITS, int METRIC, bool RESIDUAL>
void coded_distances(const device float* query, float query_squared, const device uchar* codes, uint bytes, const device float* ranges, const device float* centroid,
                     uint first, uint last, uint d, uint lane, thread float* distances) {
    constexpr float reciprocal = 1.0f / float((1 << BITS) - 1);
    const device uchar* rows[TOGETHER];
    float sums[TOGETHER], squares[TOGETHER];
    for (uint u = 0; u < TOGETHER; ++u) {
        rows[u] = codes + size_t(min(first + u, last)) * bytes;
        sums[u] = 0;
        squares[u] = 0;
    }
    for (uint j = lane; j < d; j += 32) {
        const float q = query[j], step = ranges[d + j] * reciprocal, start = fma(step, 0.5f, ranges[j]);
        const float center = RESIDUAL ? centroid[j] : 0.0f;
        for (uint u = 0; u < TOGETHER; ++u) {
            float x = fma(float(word_of<BITS>(rows[u], j)), step, start);
            if (RESIDUAL) x += center;
            sums[u] += METRIC == 0 ? (x - q) * (x - q) : METRIC == 1 ? -(q * x) : q * x;
            if (METRIC == 2) squares[u] += x * x;
        }
    }
    for (uint u = 0; u < TOGETHER; ++u) {
        const float sum = simd_sum(sums[u]);
        distances[u] = METRIC == 2 ? 1 - sum / (sqrt(query_squared) * sqrt(simd_sum(squares[u]))) : sum;
    }
}
