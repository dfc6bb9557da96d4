// The best k of a stretch of rows for one query, at the speed of memory: warps take 32 rows at a time, and what is better than the k-th so far is kept.
constexpr unsigned ROUND = 1024;  // rows between two looks at what has been kept

struct Streamed : Kept {
    alignas(16) float query[LONGEST];
};

// Rows of f32 on their way, eight of them a step, for one warp: so many steps ahead that memory is never waited for.
constexpr int STEPS_AHEAD = 6;

template <int METRIC> struct Rows {
    const float* data;
    unsigned char* ring;  // of this warp
    size_t begin, end;
    int d;

    __device__ size_t first_of(unsigned step) const {
        return begin + (size_t(step / 4) * (blockDim.x / 32) + threadIdx.x / 32) * 32 + step % 4 * 8;
    }
    __device__ unsigned place_of_step(unsigned step) const { return step % STEPS_AHEAD * unsigned(d) * 32; }
    __device__ void request(unsigned step) const {
        const size_t first = first_of(step);
        if (first < end) {
            const unsigned bytes = unsigned(min(end - first, size_t(8))) * d * 4;
            const char* const from = (const char*)(data + first * d);
            const unsigned to = shared_address(ring + place_of_step(step));
            for (unsigned at = threadIdx.x % 32 * 16; at < bytes; at += 512) copy_async(to + at, from + at);
        }
        commit();
    }
    __device__ void start() const {
        for (unsigned step = 0; step + 1 < STEPS_AHEAD; ++step) request(step);
    }
    // The distance of the lane's row of the warp's 32 of this number.
    __device__ float distance(const float* query, unsigned number) const {
        const int lane = threadIdx.x % 32;
        float shown = 0;
#pragma unroll
        for (unsigned part = 0; part < 4; ++part) {
            const unsigned step = number * 4 + part;
            asm volatile("cp.async.wait_group %0;" ::"n"(STEPS_AHEAD - 2) : "memory");
            __syncwarp();  // all lanes' copies of this step have come, and all have read the step before, whose place is free
            request(step + STEPS_AHEAD - 1);
            const float* const rows = (const float*)(ring + place_of_step(step));
            float sums[8];
#pragma unroll
            for (int r = 0; r < 8; ++r) sums[r] = 0;
            for (int j = lane * 4; j < d; j += 128) {
                const float4 q = *(const float4*)(query + j);
#pragma unroll
                for (int r = 0; r < 8; ++r) {
                    const float4 x = *(const float4*)(rows + r * d + j);
                    sums[r] += term(x.x, q.x) + term(x.y, q.y) + term(x.z, q.z) + term(x.w, q.w);
                }
            }
            const float sum = folded(sums);
            if (lane / 8 == part) shown = sum;
        }
        return shown;
    }
    __device__ static float term(float x, float q) { return METRIC == 0 ? (x - q) * (x - q) : -(q * x); }
};

// Leaves the best k in shared.kept, best first, zeros after them. memory: the rings of all warps where RING, which takes rows of f32 and sums of products.
template <int KIND, int METRIC, bool RING>
__device__ inline void stream(const void* query, const void* data, const unsigned* ids, const unsigned char* keep, size_t begin, size_t end, int d, unsigned k,
                              bool labelled, bool filtered, Streamed& shared, unsigned char* memory) {
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const Rows<METRIC> rows = {(const float*)data, memory + size_t(warp) * STEPS_AHEAD * d * 32, begin, end, d};
    if (RING) rows.start();
    for (int j = threadIdx.x * 4; j < d; j += blockDim.x * 4) {
        float q[4];
        four<KIND>(q, query, j);
        for (int i = 0; i < 4; ++i) shared.query[j + i] = q[i];
    }
    if (threadIdx.x == 0) shared.filled = 0;
    __syncthreads();  // the query is there
    unsigned long long bound = 0;
    // The first round, of 32 rows a warp, gives a bound; later ones are longer.
    unsigned rounds = 1, number = 0;
    for (size_t next = begin; next < end;) {
        for (unsigned round = 0; round < rounds; ++round, ++number) {
            const size_t first = begin + size_t(number) * blockDim.x + warp * 32, own = first + lane;
            const float distance = RING ? rows.distance(shared.query, number)
                                   : first < end ? distance_of<KIND, METRIC>(data, shared.query, first + lane / 8 * 8, unsigned(end), d) : 0.0f;
            const bool counts = own < end && (!filtered || (keep[own / 8] >> (own % 8) & 1));
            const unsigned id = counts && labelled ? ids[own] : unsigned(own);
            const unsigned long long candidate = candidate_of(distance, id);
            if (counts && candidate > bound) shared.kept[atomicAdd(&shared.filled, 1u)] = candidate;
        }
        next += size_t(rounds) * blockDim.x;
        __syncthreads();  // this round's candidates are there
        const unsigned filled = shared.filled;
        __syncthreads();  // everyone knows how many
        if (next == begin + blockDim.x || filled + ROUND > CAPACITY) settle(filled, k, bound, shared);
        rounds = ROUND / blockDim.x;
    }
    order(shared.filled, k, shared);
}

// The best k of `parts` results of `stream` for one query, no more than there are threads.
__device__ inline void join(const unsigned long long* from, unsigned parts, unsigned k, float* distances, long long* found, Kept& shared) {
    const unsigned part = threadIdx.x;
    from += size_t(part) * k;
    // The next ones of this part, better ones first.
    unsigned long long ahead[8];
    const auto fetch_from = [&](unsigned place) {
#pragma unroll
        for (unsigned i = 0; i < 8; ++i) ahead[i] = part < parts && place + i < k ? from[place + i] : 0;
    };
    fetch_from(0);
    if (part < parts) shared.kept[part] = ahead[0];
    order(parts, k, shared);
    // The k-th of the parts' best: as many are at least as good.
    unsigned long long bound = shared.kept[k - 1];
    if (bound > 0) --bound;
    if (part == 0) shared.filled = 0;
    for (unsigned place = 0; place < k; place += 8) {
        if (place > 0) fetch_from(place);
        bool more = true;
#pragma unroll
        for (unsigned i = 0; i < 8 && more; ++i) {
            __syncthreads();  // there is room, and the last bound is known
            const bool good = ahead[i] > bound;
            if (good) shared.kept[atomicAdd(&shared.filled, 1u)] = ahead[i];
            // Where no part has a good one, none has one behind it.
            more = __syncthreads_or(good);
            const unsigned filled = shared.filled;
            if (filled + parts > CAPACITY) {
                __syncthreads();  // everyone knows how many
                settle(filled, k, bound, shared);
            }
        }
        if (!more) break;
    }
    __syncthreads();  // all are there
    give(k, distances, found, shared);
}
