// The best k rows of a query from the least scores of groups of 32 or 8 rows: the k-th least of their upper bounds limits what can be among the best, and
// every row of the groups below it gets its distance anew, in f32. A group of threads a query.
constexpr int LISTED = 2048, MOST_THREADS = 512;

struct Picked : Kept {
    unsigned list[LISTED];
    float query[LONGEST];
    unsigned counts[2][MOST_THREADS / 32];
    unsigned listed;
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

// The groups of all rows, of SIZE each. Group i has the minimum row[i].
template <int SIZE> struct EveryGroup {
    static constexpr int ROWS = SIZE;
    unsigned n, groups;

    __device__ unsigned size() const { return groups; }
    __device__ bool exists(unsigned) const { return true; }
    __device__ unsigned extent(unsigned group) const { return group; }
    __device__ size_t first(unsigned group) const { return size_t(group) * ROWS; }
    __device__ unsigned end(unsigned) const { return n; }

    // Puts what `upper` makes of each group into the thread's buckets, the least of each.
    template <int PER, typename Upper> __device__ void fill(unsigned (&buckets)[PER], Upper upper) const {
        for (unsigned from = threadIdx.x; from < groups; from += PER * blockDim.x) {
#pragma unroll
            for (int i = 0; i < PER; ++i) {
                const unsigned group = from + i * blockDim.x;
                if (group < groups) buckets[i] = min(buckets[i], upper(group, group));
            }
        }
    }
    template <typename Test> __device__ void each(Test test) const {
#pragma unroll 8
        for (unsigned group = threadIdx.x; group < groups; group += blockDim.x) test(group, group);
    }
};

// The groups of a query's lists, `most` places of a row for each list. begins and ends: in shared memory.
struct ListedGroups {
    static constexpr int ROWS = 32;
    const unsigned *begins, *ends, *lists;
    unsigned parts, most;

    __device__ unsigned groups(unsigned part) const { return (ends[part] - begins[part] + 31) / 32; }
    __device__ unsigned size() const { return parts * most; }
    __device__ bool exists(unsigned group) const { return group % most < groups(group / most); }
    __device__ unsigned extent(unsigned group) const { return extent_of(begins[group / most], lists[group / most]) + group % most; }
    __device__ size_t first(unsigned group) const { return begins[group / most] + size_t(group % most) * 32; }
    __device__ unsigned end(unsigned group) const { return ends[group / most]; }

    // By turns, so that a list's groups come to different buckets.
    template <int PER, typename Upper> __device__ void fill(unsigned (&buckets)[PER], Upper upper) const {
        each([&](unsigned group, unsigned extent) {
            const unsigned lower = min(buckets[0], upper(group, extent));
#pragma unroll
            for (int i = 0; i + 1 < PER; ++i) buckets[i] = buckets[i + 1];
            buckets[PER - 1] = lower;
        });
    }
    // A warp a list.
    template <typename Test> __device__ void each(Test test) const {
        for (unsigned part = threadIdx.x / 32; part < parts; part += blockDim.x / 32) {
            const unsigned count = groups(part), before = extent_of(begins[part], lists[part]);
            for (unsigned i = threadIdx.x % 32; i < count; i += 32) test(part * most + i, before + i);
        }
    }
};

// PER: buckets of upper bounds that a thread has: twice as many of all threads as k may be, so that few of the least share one.
template <int KIND, int METRIC, int PER, typename Groups>
__device__ inline void pick(const Groups& groups, const void* queries, const void* data, const unsigned* ids, const unsigned char* keep, const float* row,
                            const float* extents, const float* bounds_of, unsigned number, int d, unsigned k, bool labelled, bool filtered, float* distances,
                            long long* found, Picked& shared) {
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

    unsigned buckets[PER];
#pragma unroll
    for (int i = 0; i < PER; ++i) buckets[i] = ~0u;
    groups.fill(buckets, [&](unsigned group, unsigned extent) { return key_of(row[group] + bounds.error<METRIC>(extents, extent)); });
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
    const auto test = [&](unsigned group, unsigned extent) {
        // Also where either is no number.
        if (!(row[group] - bounds.error<METRIC>(extents, extent) > most)) {
            const unsigned place = atomicAdd(&shared.listed, 1u);
            if (place < LISTED) shared.list[place] = group;
        }
    };
    const auto look = [&] {
        __syncthreads();  // the list is whole
        const unsigned listed = shared.listed;
        // A warp takes as many groups as have 32 rows together.
        constexpr unsigned EACH = 32 / Groups::ROWS;
        for (unsigned round = 0; round < listed; round += warps * EACH) {
            if (round + warp * EACH < listed) {
                const unsigned place = round + warp * EACH + lane / Groups::ROWS;
                const unsigned group = shared.list[min(place, listed - 1)], end = groups.end(group);
                const size_t own = groups.first(group) + lane % Groups::ROWS;
                const float distance = distance_of<KIND, METRIC>(data, shared.query, own - lane % 8, end, d);
                const bool counts = place < listed && own < end && (!filtered || (keep[own / 8] >> (own % 8) & 1)) && !(distance > farthest);
                const unsigned id = counts && labelled ? ids[own] : unsigned(own);
                const unsigned long long candidate = candidate_of(distance, id);
                if (counts && candidate > bound) shared.kept[atomicAdd(&shared.filled, 1u)] = candidate;
            }
            __syncthreads();  // this round's candidates are there
            const unsigned filled = shared.filled;
            __syncthreads();  // everyone knows how many
            if (filled + threads > CAPACITY) settle(filled, k, bound, shared);
        }
        if (t == 0) shared.listed = 0;
        __syncthreads();  // the list is empty
    };
    groups.each(test);
    __syncthreads();  // all have been counted
    if (shared.listed <= LISTED) {
        look();
    } else {
        // More than the list holds: a part of the groups at a time.
        __syncthreads();  // everyone knows
        if (t == 0) shared.listed = 0;
        for (unsigned start = 0; start < groups.size(); start += LISTED) {
            __syncthreads();  // the list is empty
            for (unsigned group = start + t; group < min(groups.size(), start + LISTED); group += threads) {
                if (groups.exists(group)) test(group, groups.extent(group));
            }
            look();
        }
    }
    give(k, distances, found, shared);
}
