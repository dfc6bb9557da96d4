// The gradients of bf16 data on the matrix units: three walks along a sequence, each with a state [128 keys x VALUES] in the registers of 8 warps.
//   by_query.cu   from the first token on, with C:   dq, and what is known of each token's reading
//   by_key.cu     from the last token back, with dC:  dk, and the gradients of the first state
//   by_value.cu   from the last token back, with dCᵀ: dv
// Within a chunk, A_tj = scale W_tj (r_t dh_t . v_j + dz_t) and S_tj r_t are made by 16 queries and 32 keys a warp; blocks above the diagonal are neither made nor read.
//
// In the two walks whose warps own rows of keys, a warp owns the same columns of queries and keys in the stages: weights are multiplied to them in registers, and
// gradients leave through them.
constexpr int KEYS = 128, INTERVAL = 256;

// What the walk by query makes of a chunk for the other two: A and S r, as they lie in shared memory, and four arrays by token.
//   last: the weight at the chunk's end; numerator, denominator: what a query is multiplied by as it enters dC, and dn; keep: what of a state the chunk keeps
constexpr int WEIGHTS = 4 * TOKENS * 4, MADE = 2 * PAIRS + WEIGHTS;

template <int VALUES> struct ForwardLayout {
    static constexpr int Q = 0, K = Q + TOKENS * KEYS * 2, D = K + TOKENS * KEYS * 2, V = D + TOKENS * VALUES * 2;
    static constexpr int C = V + TOKENS * VALUES * 2, MU = C + TOKENS * 8, M = MU + (TOKENS + 2) * 8;
    static constexpr int STAGE = M + TOKENS * 4 + 752;  // a multiple of 1024
    static constexpr int A = 2 * STAGE, S = A + PAIRS, W = S + PAIRS, PARTS = A + MADE;
    static constexpr int SUMS = PARTS + 8 * TOKENS * 8, BEFORE = SUMS + 2 * TOKENS * 8, BYTES = BEFORE + TOKENS * 4;
    static_assert(STAGE % 1024 == 0, "tiles begin where the matrix units want them");
};
template <int VALUES, bool WITH_V> struct ReverseLayout {
    static constexpr int Q = 0, K = Q + TOKENS * KEYS * 2, D = K + TOKENS * KEYS * 2, V = D + TOKENS * VALUES * 2;
    static constexpr int P = V + (WITH_V ? TOKENS * VALUES * 2 : 0), W = P + PAIRS, STAGE = W + WEIGHTS;
    static constexpr int PARTS = 2 * STAGE, BYTES = PARTS + (WITH_V ? 2 * 8 * TOKENS * 4 : 0);
    static_assert(STAGE % 1024 == 0, "tiles begin where the matrix units want them");
};

struct Sequence {
    const unsigned short *q, *k, *v, *dh;
    const float2 *c, *mu;
    const float* m;
    const unsigned char* made;  // of the first chunk
    long head, row;             // row: of the first token among those of all sequences
    int tokens, dk, dv;
    float scale;
};

// One chunk into a stage. Without READ only what a state is made of.
template <int VALUES, bool READ> __device__ inline void fetch(const Sequence& x, int first, unsigned stage) {
    using L = ForwardLayout<VALUES>;
    const int valid = min(TOKENS, x.tokens - first);
    if (READ) fetch_rows<KEYS>(stage + L::Q, x.q, first, valid, x.dk, x.dk);
    fetch_rows<KEYS>(stage + L::K, x.k, first, valid, x.dk, x.dk);
    if (READ) fetch_rows<VALUES>(stage + L::D, x.dh, first, valid, x.dv, x.dv);
    fetch_rows<VALUES>(stage + L::V, x.v, first, valid, x.dv, x.dv);
    const int t = Place().t;
    if (t < TOKENS) {
        copy_async<8>(stage + L::C + t * 8, x.c + first + t, t < valid);
        if (READ) copy_async<4>(stage + L::M + t * 4, x.m + first + t, t < valid);
    } else if (t <= 2 * TOKENS) {
        copy_async<8>(stage + L::MU + (t - TOKENS) * 8, x.mu + first + t - TOKENS, t - TOKENS <= valid);
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int VALUES, bool WITH_V, bool READ> __device__ inline void fetch_reverse(const Sequence& x, int first, unsigned stage) {
    using L = ReverseLayout<VALUES, WITH_V>;
    const int valid = min(TOKENS, x.tokens - first), t = Place().t;
    fetch_rows<KEYS>(stage + L::Q, x.q, first, valid, x.dk, x.dk);
    if (READ) fetch_rows<KEYS>(stage + L::K, x.k, first, valid, x.dk, x.dk);
    fetch_rows<VALUES>(stage + L::D, x.dh, first, valid, x.dv, x.dv);
    if (READ && WITH_V) fetch_rows<VALUES>(stage + L::V, x.v, first, valid, x.dv, x.dv);
    const unsigned char* const made = x.made + long(first / TOKENS) * MADE + t * 16;
#pragma unroll
    for (int at = 0; READ && at < PAIRS; at += THREADS * 16) copy_async<16>(stage + L::P + at + t * 16, made + (WITH_V ? 0 : PAIRS) + at, true);
    if (t < WEIGHTS / 16) copy_async<16>(stage + L::W + t * 16, made + 2 * PAIRS, true);
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// The weights of a chunk's tokens at its end, what it keeps of a state, and at each token the weight of the state before the chunk, with the scale of queries.
__device__ inline void weigh(const float2* c, const float2* mu, int valid, float scale, float* before, float* weights) {
    const int t = Place().t;
    if (t >= TOKENS) return;
    weights[t] = t < valid ? expf(difference(c[t], mu[valid])) : 0.0f;
    weights[3 * TOKENS + t] = expf(difference(mu[0], mu[valid]));
    before[t] = t < valid ? scale * expf(difference(mu[0], mu[t + 1])) : 0.0f;
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
    for (int pair = 0; pair < TOKENS / 16; ++pair) store_products(unit_of(rows, pair * 16 + at.row_right, at.warp * 2 + at.unit_right), sum, pair);
    __syncwarp();
    const int unit = at.warp * 2 + at.lane % 2;
#pragma unroll
    for (int pass = 0; pass < TOKENS / 16; ++pass) {
        const int row = pass * 16 + at.lane / 2;
        unsigned word[4];
        load_words(word, unit_of(rows, row, unit));
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
