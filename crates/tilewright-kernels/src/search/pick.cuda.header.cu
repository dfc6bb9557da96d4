// The best k rows of a query from the least scores of groups of 32 rows: the k-th least of their upper bounds limits what can be among the best, and
// every row of the groups below it gets its distance anew, in f32. A group of threads a query. Candidates are the family's: the complement of the
// distance's key above the complement of the id.
constexpr int CAPACITY = 2048, LISTED = 2048, MOST_THREADS = 512;
// Elements of a query, at most.
constexpr int LONGEST = 256;

struct Picked {
    unsigned long long kept[CAPACITY];
    unsigned list[LISTED];
    float query[LONGEST];
    unsigned counts[2][MOST_THREADS / 32];
    unsigned filled, listed;
};

struct Bounds {
    float squared, length, residual, relative, of_squares;

    // How far a score from the matrix units may be from the one that the shown distance stands for. Sums of d products there: each addition cuts at
    // most a unit of the last place of the sum of absolute terms; of f32 after that, d + 16 roundings, half a unit each.
    template <int METRIC> __device__ inline float error(const float* extents, unsigned group) const {
        float longest, worst;
        asm("ld.global.nc.v2.f32 {%0, %1}, [%2];" : "=f"(longest), "=f"(worst) : "l"(extents + size_t(group) * 2));
        const float products = length * worst + residual * (longest + worst) + relative * length * longest;
        const float shown = METRIC == 0 ? of_squares * (squared + longest * longest) : METRIC == 1 ? of_squares * length * longest : 4 * of_squares * length;
        // Terms below the smallest normal number may be lost.
        return 1.001f * (products + shown) + 2e-37f * (length + longest) + 1e-36f;
    }
};

// The sum over all threads. `turn` alternates, so that one barrier suffices.
__device__ inline unsigned total(unsigned mine, unsigned& turn, Picked& shared) {
    turn ^= 1;
    const unsigned sum = __reduce_add_sync(EVERY_LANE, mine);
    if (threadIdx.x % 32 == 0) shared.counts[turn][threadIdx.x / 32] = sum;
    __syncthreads();  // all counts of this turn are there, and those of the last one read
    unsigned all = 0;
    for (int warp = 0; warp < int(blockDim.x) / 32; ++warp) all += shared.counts[turn][warp];
    return all;
}

// Orders the first `filled` candidates, best first, zeros after them up to `least` (bitonic).
__device__ inline void order(unsigned filled, unsigned least, Picked& shared) {
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

// The distance of the lane's row of 32 that begin at row `first`. All lanes take part.
template <int KIND, int METRIC> __device__ inline float distance_of(const void* data, const float* query, size_t first, unsigned n, int d) {
    const int lane = threadIdx.x % 32;
    if (METRIC == 2) {
        // Divided by the greatest element, so that no square leaves the range of floats.
        float shown = 0, most = 0, of_query = 0;
        for (int j = lane; j < d; j += 32) most = fmaxf(most, fabsf(query[j]));
        for (int other = 16; other > 0; other /= 2) most = fmaxf(most, __shfl_xor_sync(EVERY_LANE, most, other));
        for (int j = lane; j < d; j += 32) of_query += query[j] / most * (query[j] / most);
        for (int other = 16; other > 0; other /= 2) of_query += __shfl_xor_sync(EVERY_LANE, of_query, other);
        for (int r = 0; r < 32; ++r) {
            const size_t row = min(first + r, size_t(n) - 1) * d;
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
        float sums[8];
#pragma unroll
        for (int r = 0; r < 8; ++r) sums[r] = 0;
#pragma unroll 1
        for (int j = lane * 4; j < d; j += 128) {
            const float q[4] = {query[j], query[j + 1], query[j + 2], query[j + 3]};
#pragma unroll
            for (int r = 0; r < 8; ++r) {
                float x[4];
                four<KIND>(x, data, min(first + part * 8 + r, size_t(n) - 1) * d + j);
#pragma unroll
                for (int i = 0; i < 4; ++i) sums[r] += METRIC == 0 ? (x[i] - q[i]) * (x[i] - q[i]) : -(q[i] * x[i]);
            }
        }
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
        if (lane / 8 == part) shown = sum;
    }
    return shown;
}

// PER: buckets of upper bounds that a thread has: twice as many of all threads as k may be, so that few of the least share one.
template <int KIND, int METRIC, int PER>
__device__ inline void pick(const void* queries, const void* data, const unsigned* ids, const unsigned char* keep, const float* least,
                            const float* extents, const float* bounds_of, unsigned number, unsigned n, int d, unsigned k, unsigned groups,
                            size_t pitch, bool labelled, bool filtered, float* distances, long long* found, Picked& shared) {
    const unsigned t = threadIdx.x, threads = blockDim.x, lane = t % 32, warp = t / 32, warps = threads / 32;
    for (int j = t * 4; j < d; j += threads * 4) {
        float q[4];
        four<KIND>(q, queries, size_t(number) * d + j);
        for (int i = 0; i < 4; ++i) shared.query[j + i] = q[i];
    }
    if (t == 0) shared.filled = 0, shared.listed = 0;
    Bounds bounds;
    bounds.squared = bounds_of[size_t(number) * 4];
    bounds.length = bounds_of[size_t(number) * 4 + 1];
    bounds.residual = bounds_of[size_t(number) * 4 + 2];
    bounds.of_squares = float(d + 16) * 1.1920929e-7f;
    bounds.relative = float(2 * d + 64) * 1.1920929e-7f;
    const float* const row = least + size_t(number) * pitch;

    unsigned buckets[PER];
#pragma unroll
    for (int i = 0; i < PER; ++i) buckets[i] = ~0u;
    for (unsigned from = t; from < groups; from += PER * threads) {
#pragma unroll
        for (int i = 0; i < PER; ++i) {
            const unsigned group = from + i * threads;
            if (group < groups) {
                const unsigned upper = key_of(row[group] + bounds.error<METRIC>(extents, group));
                buckets[i] = min(buckets[i], upper);
            }
        }
    }
    // The least key that k buckets do not exceed.
    unsigned below = 0, limit = ~0u, turn = 0;
    while (below < limit) {
        const unsigned middle = below + (limit - below) / 2;
        unsigned count = 0;
#pragma unroll
        for (int i = 0; i < PER; ++i) count += buckets[i] <= middle ? 1 : 0;
        if (total(count, turn, shared) >= k) limit = middle;
        else below = middle + 1;
    }
    float most = value_of(limit);
    // Beyond the range of floats distances tie in infinity, and scores do not; a query without direction has no distance at all.
    if (!(fabsf(most) < 1e37f && bounds.squared < 1e37f && (METRIC != 2 || bounds.squared > 1e-30f))) most = INFINITE;
    // What the best may show, at most.
    const float shown = METRIC == 0 ? 2 * most + bounds.squared : METRIC == 1 ? most : 1 + most / bounds.length;
    const float slack = METRIC == 0 ? bounds.of_squares * (bounds.squared + fabsf(2 * most)) : 1e-5f * (1 + fabsf(shown));
    const float farthest = METRIC == 1 ? most + 1e-5f * fabsf(most) + 1e-36f : shown + slack;

    unsigned long long bound = 0;
    const auto test = [&](unsigned group) {
        // Also where either is no number.
        if (group < groups && !(row[group] - bounds.error<METRIC>(extents, group) > most)) {
            const unsigned place = atomicAdd(&shared.listed, 1u);
            if (place < LISTED) shared.list[place] = group;
        }
    };
    const auto look = [&] {
        __syncthreads();  // the list is whole
        const unsigned listed = shared.listed;
        for (unsigned round = 0; round < listed; round += warps) {
            if (round + warp < listed) {
                const size_t first = size_t(shared.list[round + warp]) * 32, own = first + lane;
                const float distance = distance_of<KIND, METRIC>(data, shared.query, first, n, d);
                const bool counts = own < n && (!filtered || (keep[own / 8] >> (own % 8) & 1)) && !(distance > farthest);
                const unsigned id = counts && labelled ? ids[own] : unsigned(own);
                const unsigned long long candidate = (unsigned long long)(~key_of(distance)) << 32 | (unsigned long long)(~id);
                if (counts && candidate > bound) shared.kept[atomicAdd(&shared.filled, 1u)] = candidate;
            }
            __syncthreads();  // this round's candidates are there
            const unsigned filled = shared.filled;
            __syncthreads();  // everyone knows how many
            if (filled + threads > CAPACITY) {
                order(filled, k, shared);
                if (filled > k) bound = shared.kept[k - 1];
                if (t == 0) shared.filled = min(filled, k);
                __syncthreads();  // there is room again
            }
        }
        if (t == 0) shared.listed = 0;
        __syncthreads();  // the list is empty
    };
#pragma unroll 8
    for (unsigned group = t; group < groups; group += threads) test(group);
    __syncthreads();  // all have been counted
    if (shared.listed <= LISTED) {
        look();
    } else {
        // More than the list holds: a part of the groups at a time.
        __syncthreads();  // everyone knows
        if (t == 0) shared.listed = 0;
        for (unsigned start = 0; start < groups; start += LISTED) {
            __syncthreads();  // the list is empty
            for (unsigned group = start + t; group < min(groups, start + LISTED); group += threads) test(group);
            look();
        }
    }
    order(shared.filled, k, shared);
    for (unsigned i = t; i < k; i += threads) {
        const unsigned long long candidate = shared.kept[i];
        const size_t at = size_t(number) * k + i;
        distances[at] = candidate == 0 ? INFINITE : value_of(~unsigned(candidate >> 32));
        found[at] = candidate == 0 ? -1 : (long long)(~unsigned(candidate));
    }
}
