// The least score of each query in each group of 32 rows, |x|²/2 - q·x for squared L2 and -q·x for products, from bf16 products on the matrix units; and
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

// groups: of a query's row of `least`. This group of threads has a group of rows for each warp, from first_row on, and `stages` times QUERIES queries from
// first_query on.
template <int KIND, int DK, int METRIC, int QUERIES>
__device__ inline void minima(const unsigned short* rounded, const void* data, const unsigned char* keep, bool filtered, unsigned n, int d,
                              size_t first_row, unsigned first_query, int stages, unsigned b, size_t groups, float* least, float* extents,
                              unsigned char* memory) {
    constexpr int STEPS = DK / 16, TILES = 4, STAGE = QUERIES * DK * 2;
    const int warps = blockDim.x / 32, warp = threadIdx.x / 32, lane = threadIdx.x % 32, row_of_eight = lane / 4, quad = lane % 4;
    const unsigned base = shared_address(memory);
    float* const gathered = (float*)(memory + 2 * STAGE);  // two turns of [QUERIES, warps]
    const unsigned short* from = rounded + size_t(first_query) * DK;
    fetch<DK>(base, from, QUERIES);
    commit();

    unsigned right[TILES][STEPS][2];
    float offsets[TILES][2];
    float longest = 0, worst = 0;
#pragma unroll
    for (int tile = 0; tile < TILES; ++tile) {
        const size_t row = first_row + (warp * TILES + tile) * 8 + row_of_eight;
        const bool counts = row < n && (!filtered || (keep[row / 8] >> (row % 8) & 1));
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
            longest = fmaxf(longest, !bounded ? INFINITE : METRIC == 2 ? 1.0f : length_above(squared));
            worst = fmaxf(worst, bounded ? length_above(residual) : 0.0f);
        }
        const float offset = !counts ? INFINITE : METRIC == 0 ? 0.5f * squared : 0.0f;
        // A lane's columns of the sums are rows 2 quad and 2 quad + 1 of the eight.
        offsets[tile][0] = __shfl_sync(EVERY_LANE, offset, quad * 8);
        offsets[tile][1] = __shfl_sync(EVERY_LANE, offset, quad * 8 + 4);
    }
    for (int other = 4; other < 32; other *= 2) {
        longest = fmaxf(longest, __shfl_xor_sync(EVERY_LANE, longest, other));
        worst = fmaxf(worst, __shfl_xor_sync(EVERY_LANE, worst, other));
    }
    const size_t group = first_row / 32 + warp;
    if (first_query == 0 && lane == 0) {
        extents[group * 2] = longest;
        extents[group * 2 + 1] = worst;
    }

    const auto write = [&](int stage) {
        const float* const turn = gathered + stage % 2 * (QUERIES * warps);
        for (int i = threadIdx.x; i < QUERIES * warps; i += blockDim.x) {
            const unsigned query = first_query + stage * QUERIES + i / warps;
            if (query < b) least[query * groups + first_row / 32 + i % warps] = turn[i];
        }
    };
    for (int stage = 0; stage < stages; ++stage) {
        arrived();
        __syncthreads();  // this stage's queries are there; the last one's have been read and its minima written to shared memory
        if (stage + 1 < stages) fetch<DK>(base + (stage + 1) % 2 * STAGE, from + size_t(stage + 1) * QUERIES * DK, QUERIES);
        commit();
        if (stage > 0) write(stage - 1);
        const unsigned here = base + stage % 2 * STAGE;
        float* const turn = gathered + stage % 2 * (QUERIES * warps);
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
            float low = INFINITE, high = INFINITE;  // of queries row_of_eight and 8 more
#pragma unroll
            for (int tile = 0; tile < TILES; ++tile) {
                low = fminf(low, fminf(offsets[tile][0] - sums[tile][0], offsets[tile][1] - sums[tile][1]));
                high = fminf(high, fminf(offsets[tile][0] - sums[tile][2], offsets[tile][1] - sums[tile][3]));
            }
            low = fminf(low, __shfl_xor_sync(EVERY_LANE, low, 1));
            high = fminf(high, __shfl_xor_sync(EVERY_LANE, high, 1));
            low = fminf(low, __shfl_xor_sync(EVERY_LANE, low, 2));
            high = fminf(high, __shfl_xor_sync(EVERY_LANE, high, 2));
            if (quad < 2) turn[(block * 16 + quad * 8 + row_of_eight) * warps + warp] = quad ? high : low;
        }
    }
    __syncthreads();  // the last minima are in shared memory
    write(stages - 1);
}
