// Lloyd's iteration on the matrix units. Labels: a warp keeps 32 rows in registers as right factors, all centroids pass by as left ones, and the least
// score |c|²/2 - x·c so far stays in registers. Means: rows are sorted by their labels, stably, and summed in that order.

// Centroids of a stage, and rows of a warp.
constexpr int CENTROIDS = 64, OWN = 32;
// Rows that a warp of the sort takes, one after another.
constexpr int RUN = 512;
// Rows of one label that a group of threads sums.
constexpr int SLICE = 256;

// Of `assign_stages`: centroids of a stage, and columns of a panel.
constexpr int STAGE = 128, PANEL = 64;

// Where element j of a centroid lies for it: by stage, plane and panel, in which neighbouring rows put the same unit of 16 bytes into other banks.
template <int LEFT> __device__ inline size_t panel_place(unsigned number, int plane, int columns, int j) {
    const int row = number % STAGE, place = place_of(j);
    const size_t first = (size_t(number / STAGE) * LEFT + plane) * STAGE * columns;
    return first + (place / PANEL * STAGE + row) * PANEL + ((place % PANEL / 8 ^ (row & 7)) << 3) + place % 8;
}

// Bits of two numbers: f16 where the rows are, else bf16.
template <bool HALF> __device__ inline unsigned rounded_pair(float low, float high) {
    if (!HALF) return packed(low, high);
    unsigned word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}
template <bool HALF> __device__ inline void pair_of(float& low, float& high, unsigned word) {
    if (HALF) halves(low, high, word);
    else low = low_of(word), high = high_of(word);
}

// A centroid as the sum of LEFT rounded numbers, each in a plane of its own, and half its squared length. By a warp. PANELS: laid out for `assign_stages`.
template <bool HALF, int LEFT, bool PANELS> __device__ inline void prepare_centroid(const float* centroids, unsigned number, unsigned k, unsigned padded, int d, int columns,
                                                                       unsigned short* planes, float* half_squares) {
    const int lane = threadIdx.x % 32;
    float squared = 0;
    for (int j = lane * 4; j < columns; j += 128) {
        float x[4] = {0, 0, 0, 0}, all[4] = {0, 0, 0, 0};
        if (number < k && j < d) four<0>(x, centroids, size_t(number) * d + j);
#pragma unroll
        for (int plane = 0; plane < LEFT; ++plane) {
#pragma unroll
            for (int pair = 0; pair < 2; ++pair) {
                const unsigned word = rounded_pair<HALF>(x[2 * pair], x[2 * pair + 1]);
                float low, high;
                pair_of<HALF>(low, high, word);
                x[2 * pair] -= low, x[2 * pair + 1] -= high;
                all[2 * pair] += low, all[2 * pair + 1] += high;
                const int element = j + 2 * pair;
                const size_t row = (size_t(plane) * padded + number) * columns;
                *(unsigned*)(planes + (PANELS ? panel_place<LEFT>(number, plane, columns, element) : row + place_of(element))) = word;
            }
        }
        for (int i = 0; i < 4; ++i) squared += all[i] * all[i];
    }
    for (int other = 16; other > 0; other /= 2) squared += __shfl_xor_sync(EVERY_LANE, squared, other);
    if (lane == 0) half_squares[number] = number < k ? 0.5f * squared : INFINITE;
}

// RIGHT: numbers that a row is the sum of, 2 for f32.
template <int KIND, int DK, int LEFT, int RIGHT>
__device__ inline void assign(const unsigned short* planes, const float* half_squares, const void* x, unsigned n, int d, unsigned padded, size_t first_row,
                              long long* labels, unsigned char* memory) {
    constexpr bool HALF = KIND == 1;
    constexpr int STEPS = DK / 16, PLANE = CENTROIDS * DK * 2, STAGE = LEFT * PLANE;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row_of_eight = lane / 4, quad = lane % 4;
    const unsigned base = shared_address(memory);
    const auto next = [&](int stage) {
#pragma unroll
        for (int plane = 0; plane < LEFT; ++plane) {
            const unsigned short* from = planes + (size_t(plane) * padded + size_t(stage) * CENTROIDS) * DK;
            fetch<DK>(base + stage % 2 * STAGE + plane * PLANE, from, CENTROIDS);
        }
        commit();
    };
    next(0);
    first_row += warp * OWN;
    unsigned right[RIGHT][4][STEPS][2];
#pragma unroll
    for (int tile = 0; tile < 4; ++tile) {
        const size_t row = first_row + tile * 8 + row_of_eight;
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
            const int j = step * 16 + quad * 4;
            float values[4] = {0, 0, 0, 0};
            if (row < n && j < d) four<KIND>(values, x, row * d + j);
#pragma unroll
            for (int plane = 0; plane < RIGHT; ++plane) {
#pragma unroll
                for (int pair = 0; pair < 2; ++pair) {
                    const unsigned word = rounded_pair<HALF>(values[2 * pair], values[2 * pair + 1]);
                    right[plane][tile][step][pair] = word;
                    if (plane + 1 == RIGHT) continue;
                    float low, high;
                    pair_of<HALF>(low, high, word);
                    values[2 * pair] -= low, values[2 * pair + 1] -= high;
                }
            }
        }
    }
    float best[4][2];
    unsigned place[4][2];
#pragma unroll
    for (int i = 0; i < 8; ++i) best[i / 2][i % 2] = INFINITE, place[i / 2][i % 2] = 0;
    const int stages = padded / CENTROIDS;
    for (int stage = 0; stage < stages; ++stage) {
        arrived();
        __syncthreads();  // this stage is there, and the one before has been read
        if (stage + 1 < stages) next(stage + 1);
        const unsigned here = base + stage % 2 * STAGE;
#pragma unroll
        for (int block = 0; block < CENTROIDS / 16; ++block) {
            const unsigned first = stage * CENTROIDS + block * 16;
            const float low = half_squares[first + row_of_eight], high = half_squares[first + row_of_eight + 8];
            float sums[4][4];
#pragma unroll
            for (int i = 0; i < 16; ++i) sums[i / 4][i % 4] = 0;
#pragma unroll
            for (int step = 0; step < STEPS; ++step) {
#pragma unroll
                for (int plane = 0; plane < LEFT; ++plane) {
                    unsigned left[4];
                    load_tiles(left, unit_of<DK>(here + plane * PLANE, block * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
                    for (int other = 0; other < RIGHT && plane + other < 2; ++other) {
#pragma unroll
                        for (int tile = 0; tile < 4; ++tile) multiply<HALF>(sums[tile], left, right[other][tile][step][0], right[other][tile][step][1]);
                    }
                }
            }
#pragma unroll
            for (int tile = 0; tile < 4; ++tile) {
#pragma unroll
                for (int column = 0; column < 2; ++column) {
                    const float score = low - sums[tile][column], other = high - sums[tile][column + 2];
                    if (score < best[tile][column]) best[tile][column] = score, place[tile][column] = first;
                    if (other < best[tile][column]) best[tile][column] = other, place[tile][column] = first + 8;
                }
            }
        }
    }
#pragma unroll
    for (int tile = 0; tile < 4; ++tile) {
#pragma unroll
        for (int column = 0; column < 2; ++column) {
            float score = best[tile][column];
            unsigned label = place[tile][column] + row_of_eight;
            for (int other = 4; other < 32; other *= 2) {
                const float theirs = __shfl_xor_sync(EVERY_LANE, score, other);
                const unsigned name = __shfl_xor_sync(EVERY_LANE, label, other);
                if (theirs < score || (theirs == score && name < label)) score = theirs, label = name;
            }
            const size_t row = first_row + tile * 8 + quad * 2 + column;
            // Where no score is a number: the first, as where all are equal.
            if (row_of_eight == 0 && row < n) labels[row] = score < INFINITE ? (long long)label : 0ll;
        }
    }
}

// How many of the labels that a warp passes are each of k, or, where `order` is wanted, each row at its place: places[label] for the next one.
// Rows of one step of 32 with one label follow one another by lane.
// The labels of a run are all on their way before the first is counted.
template <bool PLACE> __device__ inline void pass(const long long* labels, size_t first, size_t last, unsigned* places, unsigned* order) {
    const unsigned lane = threadIdx.x % 32;
    unsigned own[RUN / 32];
#pragma unroll
    for (int step = 0; step < RUN / 32; ++step) {
        const size_t row = first + step * 32 + lane;
        own[step] = row < last ? unsigned(labels[row]) : ~0u;
    }
#pragma unroll
    for (int step = 0; step < RUN / 32; ++step) {
        const unsigned label = own[step];
        const unsigned same = __match_any_sync(EVERY_LANE, label), before = __popc(same & ((1u << lane) - 1));
        unsigned from = 0;
        if (label != ~0u) from = places[label];
        __syncwarp();  // all have read
        if (PLACE && label != ~0u) order[from + before] = unsigned(first + step * 32 + lane);
        if (label != ~0u && before == 0) places[label] = from + __popc(same);
        __syncwarp();  // the next step's places are there
    }
}
