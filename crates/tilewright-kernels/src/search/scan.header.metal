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

// All 32 lanes take part and get the same.
template <typename T, int METRIC>
float distance_of(Query made, const device T* query, const device T* row, uint d, uint lane) {
    if (METRIC == 2) {
        const float scale = greatest(row, d, lane);
        float dot = 0, squared = 0;
        for (uint j = lane; j < d; j += 32) {
            const float x = float(row[j]) / scale, q = float(query[j]) / made.scale;
            dot += q * x;
            squared += x * x;
        }
        return 1 - simd_sum(dot) / (sqrt(made.squared) * sqrt(simd_sum(squared)));
    }
    float sum = 0;
    for (uint j = lane; j < d; j += 32) {
        const float x = float(row[j]), q = float(query[j]);
        sum += METRIC == 0 ? (x - q) * (x - q) : -(q * x);
    }
    return simd_sum(sum);
}

// A candidate: the complement of the distance's key above the complement of the id. The larger word is the nearer row, 0 is none, and NaN is
// before none and after everything else.
inline ulong candidate_near(float distance, uint id) {
    const uint key = distance != distance ? ~0u : key_of(distance);
    return (ulong(~key) << 32) | ulong(~id);
}
