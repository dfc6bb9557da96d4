// The least score of each query in each group of 32 or 8 rows, |x|²/2 - q·x for squared L2 and -q·x for products, from bf16 products on the matrix units; and
// for each group what bounds their errors. A warp keeps a group in registers as right factors while all queries pass by as left ones, QUERIES at a time, so
// that the rows are read once.

// A bound of the length, whatever squares fell below the range of floats.
__device__ inline float length_above(float squared) { return sqrtf(squared + 1e-36f); }

// A query as bf16, zeros after its end, and what bounds need of it: |q|², |q|, |q - bf16(q)|. By a warp.
template <int KIND> __device__ inline void prepare(const void* queries, unsigned number, bool there, int d, int columns, unsigned short* rounded, float* bounds) {
    const int lane = threadIdx.x % 32;
    float squared = 0, residual = 0;
    for (int j = lane * 4; j < columns; j += 128) {
        float x[4] = {0, 0, 0, 0};
        if (there && j < d) four<KIND>(x, queries, size_t(number) * d + j);
        const unsigned words[2] = {packed(x[0], x[1]), packed(x[2], x[3])};
        const float r[4] = {x[0] - low_of(words[0]), x[1] - high_of(words[0]), x[2] - low_of(words[1]), x[3] - high_of(words[1])};
#pragma unroll
        for (int i = 0; i < 4; ++i) squared += x[i] * x[i], residual += r[i] * r[i];
        unsigned short* const row = rounded + size_t(number) * columns;
        *(unsigned*)(row + place_of(j)) = words[0];
        *(unsigned*)(row + place_of(j + 2)) = words[1];
    }
    for (int other = 16; other > 0; other /= 2) {
        squared += __shfl_xor_sync(EVERY_LANE, squared, other);
        residual += __shfl_xor_sync(EVERY_LANE, residual, other);
    }
    if (lane == 0) {
        bounds[number * 4] = squared;
        bounds[number * 4 + 1] = length_above(squared);
        bounds[number * 4 + 2] = length_above(residual);
        bounds[number * 4 + 3] = 0;
    }
}

// Queries as they lie, from `first` of `b` on. Minima of query i go to row i of `least`, in the place of the group of rows and those after it.
struct Straight {
    const unsigned short* rounded;
    float* least;
    size_t pitch, group;
    unsigned first, b;

    template <int DK, int QUERIES> __device__ void fetch_stage(unsigned to, int stage) const {
        fetch<DK>(to, rounded + (size_t(first) + size_t(stage) * QUERIES) * DK, QUERIES);
    }
    __device__ float* row(unsigned query) const { return first + query < b ? least + (size_t(first) + query) * pitch + group : nullptr; }
};

// The queries of a list: members are numbers of pairs of a query and one of its `parts` lists, and a pair has `pitch` places of minima.
struct Members {
    const unsigned short* rounded;
    const unsigned* members;
    float* least;
    size_t pitch, group;
    unsigned count, parts;

    template <int DK, int QUERIES> __device__ void fetch_stage(unsigned to, int stage) const {
        constexpr int UNITS = DK / 8;
        for (int i = threadIdx.x; i < QUERIES * UNITS; i += blockDim.x) {
            // After the last one comes that one again.
            const unsigned query = members[min(unsigned(stage) * QUERIES + i / UNITS, count - 1)] / parts;
            copy_async(unit_of<DK>(to, i / UNITS, i % UNITS), rounded + size_t(query) * DK + size_t(i % UNITS) * 8);
        }
    }
    __device__ float* row(unsigned query) const { return query < count ? least + size_t(members[query]) * pitch + group : nullptr; }
};

// Of rows from first_row on, 32 for each warp, those before `end`, in groups of GROUP; for `stages` times QUERIES queries. extents: of the first group, if they are wanted.
template <int KIND, int DK, int METRIC, int QUERIES, int GROUP, typename Queries>
__device__ inline void minima(const Queries& queries, const void* data, const unsigned char* keep, bool filtered, size_t first_row, size_t end, int d,
                              int stages, float* extents, unsigned char* memory) {
    constexpr int STEPS = DK / 16, TILES = 4, STAGE = QUERIES * DK * 2, OWN = 32 / GROUP;
    const int warps = blockDim.x / 32, warp = threadIdx.x / 32, lane = threadIdx.x % 32, row_of_eight = lane / 4, quad = lane % 4;
    const unsigned base = shared_address(memory);
    float* const gathered = (float*)(memory + 2 * STAGE);  // two turns of [QUERIES, warps, OWN]
    queries.template fetch_stage<DK, QUERIES>(base, 0);
    commit();

    unsigned right[TILES][STEPS][2];
    float offsets[TILES][2];
    float longest[OWN], worst[OWN];
#pragma unroll
    for (int own = 0; own < OWN; ++own) longest[own] = 0, worst[own] = 0;
#pragma unroll
    for (int tile = 0; tile < TILES; ++tile) {
        const size_t row = first_row + (warp * TILES + tile) * 8 + row_of_eight;
        const bool counts = row < end && (!filtered || (keep[row / 8] >> (row % 8) & 1));
        float x[STEPS][4], squared = 0, residual = 0;
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
            const int j = step * 16 + quad * 4;
#pragma unroll
            for (int i = 0; i < 4; ++i) x[step][i] = 0;
            if (counts && j < d) four<KIND>(x[step], data, row * d + j);
        }
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
#pragma unroll
            for (int i = 0; i < 4; ++i) squared += x[step][i] * x[step][i];
        }
        squared += __shfl_xor_sync(EVERY_LANE, squared, 1);
        squared += __shfl_xor_sync(EVERY_LANE, squared, 2);
        const float scale = METRIC == 2 ? rsqrtf(squared) : 1.0f;
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
            if (METRIC == 2) {
#pragma unroll
                for (int i = 0; i < 4; ++i) x[step][i] *= scale;
            }
            const unsigned low = packed(x[step][0], x[step][1]), high = packed(x[step][2], x[step][3]);
            const float r[4] = {x[step][0] - low_of(low), x[step][1] - high_of(low), x[step][2] - low_of(high), x[step][3] - high_of(high)};
#pragma unroll
            for (int i = 0; i < 4; ++i) residual += r[i] * r[i];
            right[tile][step][0] = low;
            right[tile][step][1] = high;
        }
        residual += __shfl_xor_sync(EVERY_LANE, residual, 1);
        residual += __shfl_xor_sync(EVERY_LANE, residual, 2);
        // Where a square leaves the range of floats nothing is known of the group.
        const bool bounded = squared < 1e38f && (METRIC != 2 || squared > 1e-30f) && residual < 1e38f;
        if (counts) {
            const int own = tile * OWN / TILES;
            longest[own] = fmaxf(longest[own], !bounded ? INFINITE : METRIC == 2 ? 1.0f : length_above(squared));
            worst[own] = fmaxf(worst[own], bounded ? length_above(residual) : 0.0f);
        }
        const float offset = !counts ? INFINITE : METRIC == 0 ? 0.5f * squared : 0.0f;
        // A lane's columns of the sums are rows 2 quad and 2 quad + 1 of the eight.
        offsets[tile][0] = __shfl_sync(EVERY_LANE, offset, quad * 8);
        offsets[tile][1] = __shfl_sync(EVERY_LANE, offset, quad * 8 + 4);
    }
    for (int other = 4; other < 32; other *= 2) {
#pragma unroll
        for (int own = 0; own < OWN; ++own) {
            longest[own] = fmaxf(longest[own], __shfl_xor_sync(EVERY_LANE, longest[own], other));
            worst[own] = fmaxf(worst[own], __shfl_xor_sync(EVERY_LANE, worst[own], other));
        }
    }
    const int groups = min(warps * OWN, int((end - first_row + GROUP - 1) / GROUP));  // with rows
    if (extents && lane == 0) {
#pragma unroll
        for (int own = 0; own < OWN; ++own) {
            if (warp * OWN + own >= groups) break;
            extents[(warp * OWN + own) * 2] = longest[own];
            extents[(warp * OWN + own) * 2 + 1] = worst[own];
        }
    }

    const auto write = [&](int stage) {
        const float* const turn = gathered + stage % 2 * (QUERIES * warps * OWN);
        for (int i = threadIdx.x; i < QUERIES * warps * OWN; i += blockDim.x) {
            const int query = i / (warps * OWN), group = i % (warps * OWN);
            float* const row = queries.row(stage * QUERIES + query);
            if (row && group < groups) row[group] = turn[i];
        }
    };
    for (int stage = 0; stage < stages; ++stage) {
        arrived();
        __syncthreads();  // this stage's queries are there; the last one's have been read and its minima written to shared memory
        if (stage + 1 < stages) queries.template fetch_stage<DK, QUERIES>(base + (stage + 1) % 2 * STAGE, stage + 1);
        commit();
        if (stage > 0) write(stage - 1);
        const unsigned here = base + stage % 2 * STAGE;
        float* const turn = gathered + stage % 2 * (QUERIES * warps * OWN);
#pragma unroll 2
        for (int block = 0; block < QUERIES / 16; ++block) {
            float sums[TILES][4];
#pragma unroll
            for (int i = 0; i < TILES * 4; ++i) sums[i / 4][i % 4] = 0;
#pragma unroll
            for (int step = 0; step < STEPS; ++step) {
                unsigned left[4];
                load_tiles(left, unit_of<DK>(here, block * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
                for (int tile = 0; tile < TILES; ++tile) multiply<false>(sums[tile], left, right[tile][step][0], right[tile][step][1]);
            }
            float low[OWN], high[OWN];  // of queries row_of_eight and 8 more
#pragma unroll
            for (int own = 0; own < OWN; ++own) low[own] = INFINITE, high[own] = INFINITE;
#pragma unroll
            for (int tile = 0; tile < TILES; ++tile) {
                const int own = tile * OWN / TILES;
                low[own] = fminf(low[own], fminf(offsets[tile][0] - sums[tile][0], offsets[tile][1] - sums[tile][1]));
                high[own] = fminf(high[own], fminf(offsets[tile][0] - sums[tile][2], offsets[tile][1] - sums[tile][3]));
            }
#pragma unroll
            for (int own = 0; own < OWN; ++own) {
#pragma unroll
                for (int other = 1; other < 4; other *= 2) {
                    low[own] = fminf(low[own], __shfl_xor_sync(EVERY_LANE, low[own], other));
                    high[own] = fminf(high[own], __shfl_xor_sync(EVERY_LANE, high[own], other));
                }
                float* const to = turn + (block * 16 + row_of_eight) * (warps * OWN) + warp * OWN + own;
                if (quad == 0) to[0] = low[own];
                if (quad == 1) to[8 * warps * OWN] = high[own];
            }
        }
    }
    __syncthreads();  // the last minima are in shared memory
    write(stages - 1);
}
