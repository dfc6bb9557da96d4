// What the walks over a sequence's chunks are made of, whose warps each have 16 rows of a state, or several times 16, in registers.
// Scores of pairs of tokens: blocks above the diagonal are not made where warps multiply by themselves, and not read.
constexpr int PAIRS = TOKENS * TOKENS * 2;

// The 16 queries and 32 keys of a chunk whose pairs a warp makes; `seen`: some of them are not above the diagonal.
struct Pairs {
    int query, key;
    bool seen;
    __device__ inline Pairs(const Place& at) : query(at.warp % 4 * 16), key(__shfl_sync(0xffffffffu, at.warp / 4, 0) * 32), seen(key <= query + 15) {}
};

// scale W of 16 queries and 32 keys in the places of their products; 0 above the diagonal and beyond the tokens.
__device__ inline void pair_weights(float (&weight)[4][4], const float2* c, const float2* mu, const Pairs& own, int valid, float scale, const Place& at) {
    const int query = own.query, key = own.key;
    const float2 reached[2] = {mu[query + at.group + 1], mu[query + at.group + 9]};
#pragma unroll
    for (int e = 0; e < 16; ++e) {
        const int row = query + at.group + e % 4 / 2 * 8, column = key + e / 4 * 8 + at.quad * 2 + e % 2;
        // Chosen before: beyond the diagonal a weight may be infinite.
        weight[e / 4][e % 4] = scale * weight_of(column <= row && row < valid ? difference(c[column], reached[e % 4 / 2]) : -INFINITY);
    }
}

// The products of all rows of one matrix and all of another: a warp's 16 x 32 of them.
template <int COLUMNS> __device__ inline void rows_by_rows(float (&sum)[4][4], unsigned left, unsigned right, const Pairs& own, const Place& at) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#pragma unroll
    for (int step = 0; step < COLUMNS / 16; ++step) {
        const unsigned across = step / 4 * PANEL + step % 4 * 32;
        multiply_rows(sum, tile_at(left) + across / 16, tile_at(right + own.key * 128) + across / 16, step > 0);
    }
#else
#pragma unroll
    for (int e = 0; e < 16; ++e) sum[e / 4][e % 4] = 0.0f;
    if (!own.seen) return;
#pragma unroll
    for (int step = 0; step < COLUMNS / 16; ++step) {
        unsigned a[4], b[4];
        load_tiles(a, unit_of(left, own.query + at.row_left, step * 2 + at.unit_left));
#pragma unroll
        for (int pair = 0; pair < 2; ++pair) {
            load_tiles(b, unit_of(right, own.key + pair * 16 + at.row_right, step * 2 + at.unit_right));
            multiply(sum[pair * 2], a, b[0], b[1]);
            multiply(sum[pair * 2 + 1], a, b[2], b[3]);
        }
    }
#endif
}

// The blocks above the diagonal, which no chunk writes, are read where rows of 64 are multiplied.
__device__ inline void clear_scores(unsigned scores) {
    const unsigned zeros[4] = {0, 0, 0, 0};
    for (int unit = Place().t; unit < PAIRS / 16; unit += THREADS) store_words(scores + unit * 16, zeros);
}

// 16 x 32 of them, rounded, into the chunk's scores [queries x keys].
__device__ inline void store_scores(unsigned scores, const float (&score)[4][4], const Pairs& own, const Place& at) {
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        const unsigned to = unit_of(scores, own.query + at.group + e % 2 * 8, own.key / 8 + e / 2) + at.quad * 4;
        store_word(to, packed(score[e / 2][e % 2 * 2], score[e / 2][e % 2 * 2 + 1]));
    }
}

// What 64 tokens read of a state: sum[tile], rows group and group + 8 of the warp's 16, tokens 8 tile + 2 quad and the next. COLUMNS: of the state.
// `before`: products that are begun with it, and are there when it is; `meanwhile` and `last` are done beside it, `last` when fewer registers are held. BATCH: steps whose left factors stand in registers, twice.
template <int COLUMNS, int BATCH, class Before, class Meanwhile, class Last>
__device__ inline void read_state(float (&sum)[TOKENS / 8][4], const float (&state)[COLUMNS / 8][4], unsigned rows, const Place& at, Before before, Meanwhile meanwhile, Last last) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    constexpr int STEPS = COLUMNS / 16;
    static_assert(STEPS % (2 * BATCH) == 0, "batches change places");
    unsigned a[2][BATCH][4];
    const auto pack = [&](int first) {
#pragma unroll
        for (int e = 0; e < BATCH * 4; ++e) {
            const float* pair = &state[(first + e / 4) * 2 + e % 4 / 2][e % 2 * 2];
            a[first / BATCH % 2][e / 4][e % 4] = packed(pair[0], pair[1]);
        }
    };
    pack(0);
    pack(BATCH);
    begin();
    before();
#pragma unroll
    for (int first = 0; first < STEPS; first += BATCH) {
        if (first > 0) begin();
#pragma unroll
        for (int step = 0; step < BATCH; ++step) {
            const int here = first + step;
            multiply_64<false>(sum, 0, a[first / BATCH % 2][step], tile_at(rows) + (here / 4 * PANEL + here % 4 * 32) / 16, here > 0);
        }
        commit();
        if (first == 0) continue;
        if (first == BATCH) meanwhile();
        finish<1>();
        hand_over(a[(first / BATCH + 1) % 2]);
        if (first + BATCH < STEPS) pack(first + BATCH);
    }
    last();
    finish<0>();
    hand_over(a[(STEPS / BATCH + 1) % 2]);
    hand_over(sum);
#else
    before();
    meanwhile();
    last();
#pragma unroll
    for (int e = 0; e < TOKENS / 2; ++e) sum[e / 4][e % 4] = 0.0f;
#pragma unroll
    for (int step = 0; step < COLUMNS / 16; ++step) {
        unsigned a[4], b[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) a[e] = packed(state[step * 2 + e / 2][e % 2 * 2], state[step * 2 + e / 2][e % 2 * 2 + 1]);
#pragma unroll
        for (int pair = 0; pair < TOKENS / 16; ++pair) {
            load_tiles(b, unit_of(rows, pair * 16 + at.row_right, step * 2 + at.unit_right));
            multiply(sum[pair * 2], a, b[0], b[1]);
            multiply(sum[pair * 2 + 1], a, b[2], b[3]);
        }
    }
#endif
}

// sum += own times the chunk's scores, and state += weighed times `rows` [tokens x COLUMNS]: left factors are a warp's 16 rows, by 16 tokens each.
// The terms of sum are the scores' keys, which stand for queries, or the other way round: BY_TERM, where a row of scores is a term.
// Without READ the state alone. `meanwhile` is done beside it.
template <bool READ, bool BY_TERM, int COLUMNS, class Meanwhile>
__device__ inline void read_and_add(float (&sum)[TOKENS / 8][4], float (&state)[COLUMNS / 8][4], unsigned (&own)[4][4], unsigned (&weighed)[4][4], unsigned scores, unsigned rows, const Place& at, Meanwhile meanwhile) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    hand_over(sum);
    hand_over(state);
    begin();
#pragma unroll
    for (int step = 0; READ && step < TOKENS / 16; ++step) multiply_64<BY_TERM>(sum, 0, own[step], tile_at(scores) + step * (BY_TERM ? 2048 : 32) / 16);
#pragma unroll
    for (int panel = 0; panel < COLUMNS / 64; ++panel) {
#pragma unroll
        for (int step = 0; step < TOKENS / 16; ++step) multiply_64<true>(state, panel * 8, weighed[step], tile_at(rows) + (panel * PANEL + step * 2048) / 16);
    }
    commit();
    meanwhile();
    finish<0>();
    hand_over(own);
    hand_over(weighed);
    hand_over(sum);
    hand_over(state);
#else
#pragma unroll
    for (int step = 0; step < TOKENS / 16; ++step) {
        unsigned b[4];
        // Blocks above the diagonal are not there.
#pragma unroll
        for (int pair = BY_TERM ? 0 : step; READ && pair < (BY_TERM ? step + 1 : TOKENS / 16); ++pair) {
            if (BY_TERM) {
                load_tiles_transposed(b, unit_of(scores, step * 16 + at.row_left, pair * 2 + at.unit_left));
            } else {
                load_tiles(b, unit_of(scores, pair * 16 + at.row_right, step * 2 + at.unit_right));
            }
            multiply(sum[pair * 2], own[step], b[0], b[1]);
            multiply(sum[pair * 2 + 1], own[step], b[2], b[3]);
        }
#pragma unroll
        for (int pair = 0; pair < COLUMNS / 16; ++pair) {
            load_tiles_transposed(b, unit_of(rows, step * 16 + at.row_left, pair * 2 + at.unit_left));
            multiply(state[pair * 2], weighed[step], b[0], b[1]);
            multiply(state[pair * 2 + 1], weighed[step], b[2], b[3]);
        }
    }
    meanwhile();
#endif
}

// 16 columns of 16 rows of a tile, from a unit on, as a left factor [columns x tokens].
__device__ inline void load_own(unsigned (&a)[4], unsigned rows, int step, int unit, const Place& at) {
    load_tiles_transposed(a, unit_of(rows, step * 16 + at.row_right, unit + at.unit_right));
}

// Such columns, which stand for tokens, times a number each: `by` is that of token 0.
__device__ inline void weigh_columns(unsigned (&weighed)[4], const unsigned (&a)[4], const float* by, int step, const Place& at) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const float2 weight = *(const float2*)(by + step * 16 + half * 8 + at.quad * 2);
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            const unsigned word = a[half * 2 + below];
            weighed[half * 2 + below] = packed(weight.x * low_of(word), weight.y * high_of(word));
        }
    }
}

// The sum of its columns, each times a number, of both rows of a thread: over the quad, they still have to be added.
__device__ inline void sum_columns(float (&sum)[2], const unsigned (&a)[4], const float* by, int step, const Place& at) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const float2 weight = *(const float2*)(by + step * 16 + half * 8 + at.quad * 2);
#pragma unroll
        for (int below = 0; below < 2; ++below) sum[below] += weight.x * low_of(a[half * 2 + below]) + weight.y * high_of(a[half * 2 + below]);
    }
}

__device__ inline float over_quad(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// The products of 16 rows and 16 tokens, rounded, by tokens.
__device__ inline void store_products(unsigned to, const float (&sum)[TOKENS / 8][4], int pair) {
    unsigned tile[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) tile[e] = packed(sum[pair * 2 + e / 2][e % 2 * 2], sum[pair * 2 + e / 2][e % 2 * 2 + 1]);
    store_tiles_transposed(to, tile);
}
