// The best k of a stretch of rows for one query, at the speed of memory: warps take 32 rows at a time, and what is better than the k-th so far is kept.
constexpr unsigned ROUND = 1024;  // rows between two looks at what has been kept

struct Streamed : Kept {
    float query[LONGEST];
};

// Eight rows of at most 128 elements, on their way while those before them are weighed.
template <int KIND> struct Ahead {
    Four<KIND> rows[8];

    // Rows from `first` on; the last row there is in place of those behind it.
    __device__ void ask(const void* data, size_t first, size_t end, int d) {
        const int at = threadIdx.x % 32 * 4;
        if (at >= d) return;
#pragma unroll
        for (int r = 0; r < 8; ++r) rows[r] = four_of<KIND>(data, min(first + r, end - 1) * d + at);
    }

    // The distance of row `first` + its number for each lane, where row `first` was asked for; then row `next` is. All lanes take part.
    template <int METRIC> __device__ float distance_of(const void* data, const float (&query)[4], size_t first, size_t next, size_t end, int d) {
        const int lane = threadIdx.x % 32;
        float shown = 0;
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            float sums[8];
            const Ahead own = *this;
            ask(data, part < 3 ? first + 8 * (part + 1) : next, end, d);
#pragma unroll
            for (int r = 0; r < 8; ++r) {
                float x[4];
                unpack<KIND>(x, own.rows[r]);
                sums[r] = 0;
                add<METRIC>(sums[r], x, query);
                if (lane * 4 >= d) sums[r] = 0;
            }
            const float sum = folded(sums);
            if (lane / 8 == part) shown = sum;
        }
        return shown;
    }
};

// Leaves the best k in shared.kept, best first, zeros after them, of runs of as many rows as there are threads, each `hop` rows behind the one before.
template <int KIND, int METRIC>
__device__ inline void stream(const void* query, const void* data, const unsigned* ids, const unsigned char* keep, size_t begin, size_t hop, size_t end, int d, unsigned k,
                              bool labelled, bool filtered, Streamed& shared) {
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int j = threadIdx.x * 4; j < d; j += blockDim.x * 4) {
        float q[4];
        four<KIND>(q, query, j);
        for (int i = 0; i < 4; ++i) shared.query[j + i] = q[i];
    }
    if (threadIdx.x == 0) shared.filled = 0;
    __syncthreads();  // the query is there
    unsigned long long bound = 0;
    const bool short_rows = METRIC != 2 && d <= 128;
    Ahead<KIND> ahead;
    float own_query[4] = {0, 0, 0, 0};
    if (short_rows && begin + warp * 32 < end) {
        ahead.ask(data, begin + warp * 32, end, d);
        for (int i = 0; i < 4 && lane * 4 < d; ++i) own_query[i] = shared.query[lane * 4 + i];
    }
    // The first round, of one run, gives a bound; later ones are longer.
    unsigned runs = 1;
    for (unsigned number = 0; begin + number * hop < end;) {
        for (unsigned run = 0; run < runs; ++run, ++number) {
            const size_t first = begin + number * hop + warp * 32, own = first + lane;
            if (first >= end) continue;
            const float distance = short_rows ? ahead.template distance_of<METRIC>(data, own_query, first, first + hop, end, d)
                                              : distance_of<KIND, METRIC>(data, shared.query, first + lane / 8 * 8, unsigned(end), d);
            const bool counts = own < end && (!filtered || (keep[own / 8] >> (own % 8) & 1));
            const unsigned id = counts && labelled ? ids[own] : unsigned(own);
            const unsigned long long candidate = candidate_of(distance, id);
            if (counts && candidate > bound) shared.kept[atomicAdd(&shared.filled, 1u)] = candidate;
        }
        __syncthreads();  // this round's candidates are there
        const unsigned filled = shared.filled;
        __syncthreads();  // everyone knows how many
        if (number == 1 || filled + ROUND > CAPACITY) settle(filled, k, bound, shared);
        runs = ROUND / blockDim.x;
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
