// The gradients of bf16 data on the matrix units: three walks along a sequence, each with a state [128 keys x VALUES] in the registers of 8 warps.
//   by_query.cu   from the first token on, with C:   dq, and what is known of each token's reading
//   by_key.cu     from the last token back, with dC:  dk, and the gradients of the first state
//   by_value.cu   from the last token back, with dCᵀ: dv
// Within a chunk, A_tj = scale W_tj (r_t dh_t . v_j + dz_t) and S_tj r_t are made by 16 queries and 32 keys a warp; blocks above the diagonal are neither made nor read.
//
// In the two walks whose warps own rows of keys, a warp owns the same columns of queries and keys in the stages: weights are multiplied to them in registers, and
// gradients leave through them.
constexpr int KEYS = 128, INTERVAL = 256;

template <int VALUES, bool WITH_V> struct Layout {
    static constexpr int Q = 0, K = Q + TOKENS * KEYS * 2, D = K + TOKENS * KEYS * 2, V = D + TOKENS * VALUES * 2;
    static constexpr int C = V + (WITH_V ? TOKENS * VALUES * 2 : 0), MU = C + TOKENS * 8, ROW = MU + (TOKENS + 2) * 8;
    static constexpr int STAGE = ROW + TOKENS * 8 + 112;  // a multiple of 128
    static constexpr int SCORES = 2 * STAGE, PARTS = SCORES + TOKENS * TOKENS * 2, SUMS = PARTS + 8 * TOKENS * 8;
    static constexpr int READINGS = SUMS + 2 * TOKENS * 8, BEFORE = READINGS + TOKENS * 8, LAST = BEFORE + TOKENS * 4;
    static constexpr int BYTES = LAST + TOKENS * 4;
    static_assert(STAGE % 128 == 0, "rows begin at the first bank");
};

struct Sequence {
    const unsigned short *q, *k, *v, *dh;
    const float2 *c, *mu, *readings;  // readings: r and dz of each token
    const float* m;
    long head, row;  // row: of the first token among those of all sequences
    int tokens, dk, dv;
    float scale;
};

// One chunk into a stage. Readings follow from the walk by query, which has m in their place.
template <int VALUES, bool WITH_K, bool WITH_V, bool READINGS> __device__ inline void fetch(const Sequence& x, int first, unsigned stage) {
    using L = Layout<VALUES, WITH_V>;
    const int valid = min(TOKENS, x.tokens - first);
    fetch_rows<KEYS>(stage + L::Q, x.q, first, valid, x.dk, x.dk);
    if (WITH_K) fetch_rows<KEYS>(stage + L::K, x.k, first, valid, x.dk, x.dk);
    fetch_rows<VALUES>(stage + L::D, x.dh, first, valid, x.dv, x.dv);
    if (WITH_V) fetch_rows<VALUES>(stage + L::V, x.v, first, valid, x.dv, x.dv);
    const int t = Place().t;
    if (t < TOKENS) {
        copy_async<8>(stage + L::C + t * 8, x.c + first + t, t < valid);
        if (READINGS) {
            copy_async<8>(stage + L::ROW + t * 8, x.readings + first + t, t < valid);
        } else {
            copy_async<4>(stage + L::ROW + t * 4, x.m + first + t, t < valid);
        }
    } else if (t <= 2 * TOKENS) {
        copy_async<8>(stage + L::MU + (t - TOKENS) * 8, x.mu + first + t - TOKENS, t - TOKENS <= valid);
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// The weights of a chunk's tokens at its end, and at each of them that of the state before it, with the scale of queries.
__device__ inline void weigh(const float2* c, const float2* mu, int valid, float scale, float* before, float* last) {
    const int t = Place().t;
    if (t >= TOKENS) return;
    last[t] = t < valid ? expf(difference(c[t], mu[valid])) : 0.0f;
    before[t] = t < valid ? scale * expf(difference(mu[0], mu[t + 1])) : 0.0f;
}

// scale W of 16 queries and 32 keys in the places of their products; 0 above the diagonal and beyond the tokens.
__device__ inline void pair_weights(float (&weight)[4][4], const float2* c, const float2* mu, int query, int key, int valid, float scale, const Place& at) {
    const float2 reached[2] = {mu[query + at.group + 1], mu[query + at.group + 9]};
#pragma unroll
    for (int e = 0; e < 16; ++e) {
        const int row = query + at.group + e % 4 / 2 * 8, column = key + e / 4 * 8 + at.quad * 2 + e % 2;
        // Chosen, not multiplied by 0: beyond the diagonal a weight may be infinite.
        weight[e / 4][e % 4] = column <= row && row < valid ? scale * __expf(difference(c[column], reached[e % 4 / 2])) : 0.0f;
    }
}

// The products of 16 rows of one matrix and 32 of another.
template <int COLUMNS> __device__ inline void rows_by_rows(float (&sum)[4][4], unsigned left, int row, unsigned right, int other, const Place& at) {
#pragma unroll
    for (int e = 0; e < 16; ++e) sum[e / 4][e % 4] = 0.0f;
#pragma unroll
    for (int step = 0; step < COLUMNS / 16; ++step) {
        unsigned a[4], b[4];
        load_tiles(a, unit_of<COLUMNS>(left, row + at.row_left, step * 2 + at.unit_left));
#pragma unroll
        for (int pair = 0; pair < 2; ++pair) {
            load_tiles(b, unit_of<COLUMNS>(right, other + pair * 16 + at.row_right, step * 2 + at.unit_right));
            multiply(sum[pair * 2], a, b[0], b[1]);
            multiply(sum[pair * 2 + 1], a, b[2], b[3]);
        }
    }
}

// 16 x 32 of them, rounded, into the chunk's scores [queries x keys].
__device__ inline void store_scores(unsigned scores, const float (&score)[4][4], int query, int key, const Place& at) {
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        const unsigned to = unit_of<TOKENS>(scores, query + at.group + e % 2 * 8, key / 8 + e / 2) + at.quad * 4;
        store_word(to, packed(score[e / 2][e % 2 * 2], score[e / 2][e % 2 * 2 + 1]));
    }
}

// What 64 tokens read of a state whose rows are keys: sum[tile], rows group and group + 8, tokens 8 tile + 2 quad and the next.
template <int VALUES> __device__ inline void read_state(float (&sum)[TOKENS / 8][4], const float (&state)[VALUES / 8][4], unsigned values, const Place& at) {
#pragma unroll
    for (int e = 0; e < TOKENS / 2; ++e) sum[e / 4][e % 4] = 0.0f;
#pragma unroll
    for (int step = 0; step < VALUES / 16; ++step) {
        unsigned a[4], b[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) a[e] = packed(state[step * 2 + e / 2][e % 2 * 2], state[step * 2 + e / 2][e % 2 * 2 + 1]);
#pragma unroll
        for (int pair = 0; pair < TOKENS / 16; ++pair) {
            load_tiles(b, unit_of<VALUES>(values, pair * 16 + at.row_right, step * 2 + at.unit_right));
            multiply(sum[pair * 2], a, b[0], b[1]);
            multiply(sum[pair * 2 + 1], a, b[2], b[3]);
        }
    }
}

// state += a b over 16 tokens: 16 keys of the warp by all values.
template <int VALUES> __device__ inline void add_to_state(float (&state)[VALUES / 8][4], const unsigned (&a)[4], unsigned values, int step, const Place& at) {
#pragma unroll
    for (int pair = 0; pair < VALUES / 16; ++pair) {
        unsigned b[4];
        load_tiles_transposed(b, unit_of<VALUES>(values, step * 16 + at.row_left, pair * 2 + at.unit_left));
        multiply(state[pair * 2], a, b[0], b[1]);
        multiply(state[pair * 2 + 1], a, b[2], b[3]);
    }
}

// The warp's own 16 columns of 16 rows of queries or keys, as a left factor [columns x tokens].
__device__ inline void load_own(unsigned (&a)[4], unsigned rows, int step, const Place& at) {
    load_tiles_transposed(a, unit_of<KEYS>(rows, step * 16 + at.row_right, at.warp * 2 + at.unit_right));
}

// Its columns, which stand for tokens, times a number each: `by` is that of token 0.
__device__ inline void weigh_columns(unsigned (&a)[4], const float* by, int step, const Place& at) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const float2 weight = *(const float2*)(by + step * 16 + half * 8 + at.quad * 2);
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            unsigned& word = a[half * 2 + below];
            word = packed(weight.x * low_of(word), weight.y * high_of(word));
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

// Half of the values go to the lane at this distance, whose own other half comes back: `x[e]` is then the sum of both lanes' `x[e]`, or of `x[e + KEPT]` above.
template <int KEPT, int COUNT> __device__ inline void fold(float (&x)[COUNT], int lane, int distance) {
    const bool above = lane & distance;
#pragma unroll
    for (int e = 0; e < KEPT; ++e) {
        const float given = above ? x[e] : x[e + KEPT], own = above ? x[e + KEPT] : x[e];
        x[e] = own + __shfl_xor_sync(0xffffffffu, given, distance);
    }
}

// Gradients of 64 queries or keys leave by rows, through the warp's own columns of a stage, which no other warp reads by then.
__device__ inline void store_own(unsigned short* to, const float (&sum)[TOKENS / 8][4], unsigned rows, int valid, int columns, const Place& at) {
    __syncwarp();
#pragma unroll
    for (int e = 0; e < TOKENS / 4; ++e) {
        const unsigned place = unit_of<KEYS>(rows, e / 2 * 8 + at.group, at.warp * 2 + e % 2) + at.quad * 4;
        store_word(place, transposed(packed(sum[e / 2][e % 2 * 2], sum[e / 2][e % 2 * 2 + 1])));
    }
    __syncwarp();
    const int unit = at.warp * 2 + at.lane % 2;
#pragma unroll
    for (int pass = 0; pass < TOKENS / 16; ++pass) {
        const int row = pass * 16 + at.lane / 2;
        unsigned word[4];
        load_words(word, unit_of<KEYS>(rows, row, unit));
        if (row < valid && unit * 8 < columns) {
            asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to + long(row) * columns + unit * 8), "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]) : "memory");
        }
    }
}

// A state in memory, [keys x values] and [keys], into registers and back. In place of none: null.
template <int VALUES> __device__ inline void load_state(float (&state)[VALUES / 8][4], float (&n)[2], const float* c, const float* n_from, int dk, int dv, const Place& at) {
#pragma unroll
    for (int e = 0; e < VALUES / 4; ++e) {
        const int key = at.warp * 16 + at.group + e % 2 * 8, value = e / 2 * 8 + at.quad * 2;
        float2 pair = float2(0.0f, 0.0f);
        if (c && key < dk && value < dv) pair = *(const float2*)(c + long(key) * dv + value);
        state[e / 2][e % 2 * 2] = pair.x;
        state[e / 2][e % 2 * 2 + 1] = pair.y;
    }
#pragma unroll
    for (int below = 0; below < 2; ++below) {
        const int key = at.warp * 16 + at.group + below * 8;
        n[below] = n_from && key < dk ? n_from[key] : 0.0f;
    }
}
template <int VALUES> __device__ inline void store_state(const float (&state)[VALUES / 8][4], const float (&n)[2], float* c, float* n_to, int dk, int dv, const Place& at) {
#pragma unroll
    for (int e = 0; e < VALUES / 4; ++e) {
        const int key = at.warp * 16 + at.group + e % 2 * 8, value = e / 2 * 8 + at.quad * 2;
        if (key < dk && value < dv) *(float2*)(c + long(key) * dv + value) = float2(state[e / 2][e % 2 * 2], state[e / 2][e % 2 * 2 + 1]);
    }
#pragma unroll
    for (int below = 0; below < 2; ++below) {
        const int key = at.warp * 16 + at.group + below * 8;
        if (at.quad == 0 && key < dk) n_to[key] = n[below];
    }
}
