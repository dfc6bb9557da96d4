// Candidates that a group of threads keeps, and the distances that they are made of. A candidate is the complement of the distance's key above the complement
// of the id: the larger word is the nearer row, 0 is none.
constexpr int CAPACITY = 2048;
// Elements of a query, at most.
constexpr int LONGEST = 256;

struct Kept {
    unsigned long long kept[CAPACITY];
    unsigned filled;
};

__device__ inline unsigned long long candidate_of(float distance, unsigned id) {
    return (unsigned long long)(~key_of(distance)) << 32 | (unsigned long long)(~id);
}

// Orders the first `filled` candidates, best first, zeros after them up to `least` (bitonic).
__device__ inline void order(unsigned filled, unsigned least, Kept& shared) {
    unsigned places = 1;
    while (places < max(filled, least)) places *= 2;
    for (unsigned i = filled + threadIdx.x; i < places; i += blockDim.x) shared.kept[i] = 0;
    for (unsigned size = 2; size <= places; size *= 2) {
        for (unsigned distance = size / 2; distance > 0; distance /= 2) {
            __syncthreads();  // the step before is done
            for (unsigned pair = threadIdx.x; pair < places / 2; pair += blockDim.x) {
                const unsigned low = 2 * pair - pair % distance, high = low + distance;
                const unsigned long long a = shared.kept[low], b = shared.kept[high];
                if ((a < b) == ((low & size) == 0)) shared.kept[low] = b, shared.kept[high] = a;
            }
        }
    }
    __syncthreads();  // the last step is done
}

// Makes room: leaves the best k of what is there, and raises `bound` to the last of them. All threads take part.
__device__ inline void settle(unsigned filled, unsigned k, unsigned long long& bound, Kept& shared) {
    order(filled, k, shared);
    if (filled > k) bound = shared.kept[k - 1];
    if (threadIdx.x == 0) shared.filled = min(filled, k);
    __syncthreads();  // there is room again
}

// The best k of what is there, as distances and ids. All threads take part.
__device__ inline void give(unsigned k, float* distances, long long* found, Kept& shared) {
    order(shared.filled, k, shared);
    for (unsigned i = threadIdx.x; i < k; i += blockDim.x) {
        const unsigned long long candidate = shared.kept[i];
        distances[i] = candidate == 0 ? INFINITE : value_of(~unsigned(candidate >> 32));
        found[i] = candidate == 0 ? -1 : (long long)(~unsigned(candidate));
    }
}

// The sum over all lanes of row lane % 8 of eight, whose parts are `sums`.
__device__ inline float folded(float (&sums)[8]) {
    const int lane = threadIdx.x % 32;
    // Halves of the rows change places with halves of the lanes, until each lane has one row's sum over a quarter of the lanes.
#pragma unroll
    for (int level = 2; level >= 0; --level) {
        const int distance = 1 << level;
        const bool upper = lane & distance;
#pragma unroll
        for (int r = 0; r < 4; ++r) {
            if (r >= distance) break;
            const float given = upper ? sums[r] : sums[r + distance], kept = upper ? sums[r + distance] : sums[r];
            sums[r] = kept + __shfl_xor_sync(EVERY_LANE, given, distance);
        }
    }
    float sum = sums[0] + __shfl_xor_sync(EVERY_LANE, sums[0], 8);
    sum += __shfl_xor_sync(EVERY_LANE, sum, 16);
    return sum;
}

// What four neighbours of a row and of a query are of its distance.
template <int METRIC> __device__ inline void add(float& sum, const float (&x)[4], const float (&q)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sum += METRIC == 0 ? (x[i] - q[i]) * (x[i] - q[i]) : -(q[i] * x[i]);
}

// The distance of a row for each lane: of the eight from row `eight` on, which eight lanes have in common, that of the lane's place; of rows from `n` on, whatever. All lanes take part.
template <int KIND, int METRIC> __device__ inline float distance_of(const void* data, const float* query, size_t eight, unsigned n, int d) {
    const int lane = threadIdx.x % 32;
    if (METRIC == 2) {
        // Divided by the greatest element, so that no square leaves the range of floats.
        float shown = 0, most = 0, of_query = 0;
        for (int j = lane; j < d; j += 32) most = fmaxf(most, fabsf(query[j]));
        for (int other = 16; other > 0; other /= 2) most = fmaxf(most, __shfl_xor_sync(EVERY_LANE, most, other));
        for (int j = lane; j < d; j += 32) of_query += query[j] / most * (query[j] / most);
        for (int other = 16; other > 0; other /= 2) of_query += __shfl_xor_sync(EVERY_LANE, of_query, other);
        for (int r = 0; r < 32; ++r) {
            const size_t row = min(__shfl_sync(EVERY_LANE, eight, r & ~7) + r % 8, size_t(n) - 1) * d;
            float greatest = 0, dot = 0, squared = 0, x[4];
            for (int j = lane * 4; j < d; j += 128) {
                four<KIND>(x, data, row + j);
                for (int i = 0; i < 4; ++i) greatest = fmaxf(greatest, fabsf(x[i]));
            }
            for (int other = 16; other > 0; other /= 2) greatest = fmaxf(greatest, __shfl_xor_sync(EVERY_LANE, greatest, other));
            for (int j = lane * 4; j < d; j += 128) {
                four<KIND>(x, data, row + j);
                for (int i = 0; i < 4; ++i) {
                    const float scaled = x[i] / greatest;
                    dot += query[j + i] / most * scaled;
                    squared += scaled * scaled;
                }
            }
            for (int other = 16; other > 0; other /= 2) {
                dot += __shfl_xor_sync(EVERY_LANE, dot, other);
                squared += __shfl_xor_sync(EVERY_LANE, squared, other);
            }
            if (lane == r) shown = 1 - dot / (sqrtf(of_query) * sqrtf(squared));
        }
        return shown;
    }
    float shown = 0;
#pragma unroll 1
    for (int part = 0; part < 4; ++part) {
        const size_t first = __shfl_sync(EVERY_LANE, eight, part * 8);
        float sums[8];
#pragma unroll
        for (int r = 0; r < 8; ++r) sums[r] = 0;
#pragma unroll 1
        for (int j = lane * 4; j < d; j += 128) {
            const float q[4] = {query[j], query[j + 1], query[j + 2], query[j + 3]};
#pragma unroll
            for (int r = 0; r < 8; ++r) {
                float x[4];
                four<KIND>(x, data, min(first + r, size_t(n) - 1) * d + j);
                add<METRIC>(sums[r], x, q);
            }
        }
        const float sum = folded(sums);
        if (lane / 8 == part) shown = sum;
    }
    return shown;
}
