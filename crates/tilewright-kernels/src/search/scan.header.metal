// Distances of rows to one query, by a SIMD group; METRIC is 0 for squared L2, 1 for the negative inner product, 2 for 1 - cosine.

// The query as this lane holds it: what a cosine needs, made once.
struct Query {
    float scale = 1, squared = 1;
};

// Divided by the greatest element, so that no square leaves the range of floats.
template <typename T>
float greatest(const device T* row, uint d, uint lane) {
    float most = 0;
    for (uint j = lane; j < d; j += 32) most = max(most, abs(float(row[j])));
    return simd_max(most);
}

template <typename T, int METRIC>
Query query_of(const device T* query, uint d, uint lane) {
    Query made;
    if (METRIC == 2) {
        made.scale = greatest(query, d, lane);
        float squared = 0;
        for (uint j = lane; j < d; j += 32) {
            const float q = float(query[j]) / made.scale;
            squared += q * q;
        }
        made.squared = simd_sum(squared);
    }
    return made;
}

// Rows that are read side by side, so that one's way from memory hides another's.
constant constexpr uint TOGETHER = 4;

// The distances of rows first, first + 1, ... of the data, those beyond `last` taken for the last one. All 32 lanes take part and get the same.
template <typename T, int METRIC>
void distances_of(Query made, const device T* query, const device T* data, uint first, uint last, uint d, uint lane, thread float* distances) {
    const device T* rows[TOGETHER];
    float scales[TOGETHER], sums[TOGETHER], squares[TOGETHER];
    for (uint u = 0; u < TOGETHER; ++u) {
        rows[u] = data + size_t(min(first + u, last)) * d;
        scales[u] = METRIC == 2 ? greatest(rows[u], d, lane) : 1;
        sums[u] = 0;
        squares[u] = 0;
    }
    for (uint j = lane; j < d; j += 32) {
        const float q = METRIC == 2 ? float(query[j]) / made.scale : float(query[j]);
        for (uint u = 0; u < TOGETHER; ++u) {
            const float x = METRIC == 2 ? float(rows[u][j]) / scales[u] : float(rows[u][j]);
            sums[u] += METRIC == 0 ? (x - q) * (x - q) : METRIC == 1 ? -(q * x) : q * x;
            if (METRIC == 2) squares[u] += x * x;
        }
    }
    for (uint u = 0; u < TOGETHER; ++u) {
        const float sum = simd_sum(sums[u]);
        distances[u] = METRIC == 2 ? 1 - sum / (sqrt(made.squared) * sqrt(simd_sum(squares[u]))) : sum;
    }
}
