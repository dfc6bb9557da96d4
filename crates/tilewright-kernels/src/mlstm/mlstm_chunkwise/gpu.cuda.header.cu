// bf16 data on the matrix units: one group of 8 warps walks the chunks of a sequence with its part of C in registers, so that q, k, v are read once, h is
// written once and no state between chunks leaves the chip. Everything is transposed: warps own rows of Cᵀ [values x keys], so that the accumulators of the
// state are, rounded, the left factor of its product with the queries.
//
// A chunk has 64 tokens. Three barriers a chunk: its data are there; scores, their sums and the weights are there; the denominators are there.
// DK: keys, padded to 64, 128 or 256. MT: tiles of 16 values per warp, so that a group has 128 MT values.
template <int DK, int MT> struct Layout {
    static constexpr int DV = 128 * MT;
    static constexpr int Q = 0, K = Q + TOKENS * DK * 2, V = K + TOKENS * DK * 2;
    static constexpr int C = V + TOKENS * DV * 2, MU = C + TOKENS * 8, M = MU + (TOKENS + 2) * 8;
    static constexpr int STAGE = M + TOKENS * 4 + 752;  // a multiple of 1024
    static constexpr int SCORES = 2 * STAGE, N = SCORES + PAIRS;
    static constexpr int Z = N + DK * 4, BEFORE = Z + 2 * TOKENS * 4, LAST = BEFORE + TOKENS * 4, FACTOR = LAST + TOKENS * 4;
    static constexpr int BYTES = FACTOR + TOKENS * 4;
    // Floats from a row of C to the next where it passes through the stages: quads stand in other banks.
    static constexpr int PITCH = DV + 4;
    static_assert(STAGE % 1024 == 0, "tiles begin where the matrix units want them");
    static_assert(DK * PITCH * 4 <= 2 * STAGE, "C fits the stages");
};

struct Sequence {
    const unsigned short *q, *k, *v, *o;
    const float2 *c, *mu;
    const float* m;
    const float *c_first, *n_first;  // in place of none: null
    unsigned short* h;
    float *c_last, *n_last;
    int tokens, dk, dv, left;  // left: the first value of this group
    int q_step, k_step, v_step, o_step;  // from a row to the next; that of h is that of v
    float scale;
};

// One chunk into a stage.
template <int DK, int MT, bool READ> __device__ inline void fetch(const Sequence& x, int first, unsigned stage) {
    using L = Layout<DK, MT>;
    const int valid = min(TOKENS, x.tokens - first);
    if (READ) fetch_rows<DK>(stage + L::Q, x.q, first, valid, x.dk, x.q_step);
    fetch_rows<DK>(stage + L::K, x.k, first, valid, x.dk, x.k_step);
    fetch_rows<L::DV>(stage + L::V, x.v + x.left, first, valid, x.dv - x.left, x.v_step);
    const int t = Place().t;
    if (t < TOKENS) {
        copy_async<8>(stage + L::C + t * 8, x.c + first + t, t < valid);
        if (READ) copy_async<4>(stage + L::M + t * 4, x.m + first + t, t < valid);
    } else if (t <= 2 * TOKENS) {
        copy_async<8>(stage + L::MU + (t - TOKENS) * 8, x.mu + first + t - TOKENS, t - TOKENS <= valid);
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// All chunks of a sequence, or of a segment of it. Without READ only the state at its end is made.
template <int DK, int MT, bool READ, bool GATED> __device__ inline void walk(const Sequence& x, const Cell& cell, unsigned char* memory) {
    using L = Layout<DK, MT>;
    constexpr int TILES = DK / 8, N_TILES = DK > 128 ? DK / 128 : 1, BATCH = MT > 1 || DK < 128 ? 2 : 4;
    memory += -shared_address(memory) % 1024;
    const unsigned base = shared_address(memory);
    const Place start;
    // The first of the 16 values of a warp's tile mt, within the group's.
    const auto value_of = [](int warp, int mt) { return (warp / 4 * MT + mt) * 64 + warp % 4 * 16; };
    float* const n_shared = (float*)(memory + L::N);
    float* const z_shared = (float*)(memory + L::Z);
    float* const before_shared = (float*)(memory + L::BEFORE);
    float* const last_shared = (float*)(memory + L::LAST);
    float* const factor_shared = (float*)(memory + L::FACTOR);

    // A thread's first element of C in the stages.
    float* const entries = (float*)memory + start.quad * 2 * L::PITCH + start.group;

    // state[..][tile]: rows group and group + 8 of 16 values, columns 2 quad and 2 quad + 1 of 8 keys. n: keys group and group + 8 of 16 (warp + 8 r), alike in a quad.
    float state[MT][TILES][4], n[N_TILES][2];
    if (x.c_first) {
        for (int at = start.t; at < DK * (L::DV / 4); at += THREADS) {
            const int key = at / (L::DV / 4), value = at % (L::DV / 4) * 4;
            const bool there = key < x.dk && x.left + value < x.dv;
            copy_async<16>(base + (key * L::PITCH + value) * 4, x.c_first + long(key) * x.dv + x.left + value, there);
        }
        asm volatile("cp.async.wait_all;" ::: "memory");
        __syncthreads();
    }
#pragma unroll
    for (int e = 0; e < MT * TILES * 4; ++e) {
        const int mt = e / (TILES * 4), tile = e / 4 % TILES;
        state[mt][tile][e % 4] = x.c_first ? entries[(tile * 8 + e % 2) * L::PITCH + value_of(start.warp, mt) + e % 4 / 2 * 8] : 0.0f;
    }
#pragma unroll
    for (int e = 0; e < N_TILES * 2; ++e) {
        const int key = (start.warp + e / 2 * 8) * 16 + start.group + e % 2 * 8;
        n[e / 2][e % 2] = x.n_first && key < x.dk ? x.n_first[key] : 0.0f;
    }
    const auto store_n = [&] {
        const Place at;
#pragma unroll
        for (int e = 0; e < N_TILES * 2; ++e) {
            const int key = (at.warp + e / 2 * 8) * 16 + at.group + e % 2 * 8;
            if (at.quad == 0 && key < DK) n_shared[key] = n[e / 2][e % 2];
        }
    };
    store_n();
    clear_scores(base + L::SCORES);

    __syncthreads();  // the state that was in the stages has been read
    fetch<DK, MT, READ>(x, 0, base);
    for (int first = 0, parity = 0; first < x.tokens; first += TOKENS, parity ^= 1) {
        const int valid = min(TOKENS, x.tokens - first);
        const unsigned stage = base + parity * L::STAGE;
        const unsigned char* const here = memory + parity * L::STAGE;
        const float2* const c = (const float2*)(here + L::C);
        const float2* const mu = (const float2*)(here + L::MU);
        asm volatile("cp.async.wait_group 0;" ::: "memory");
        publish();
        __syncthreads();  // the chunk is there, and the other stage and the scores have been read
        const float2 low = mu[0], high = mu[valid];
        const auto prepare = [&] {
            if (first + TOKENS < x.tokens) fetch<DK, MT, READ>(x, first + TOKENS, base + (parity ^ 1) * L::STAGE);
            if (const int t = Place().t; t < TOKENS) {
                last_shared[t] = t < valid ? expf(difference(c[t], high)) : 0.0f;
                if (READ) before_shared[t] = t < valid ? x.scale * expf(difference(low, mu[t + 1])) : 0.0f;
            }
        };

        float sum[MT][TOKENS / 8][4], read_n = 0.0f;
        if (READ) {
            const Place at;
            // What the queries read of the state before the chunk, and of 32 keys by 16 of them.
            const Pairs own(at);
            float score[4][4];
#pragma unroll
            for (int mt = 0; mt < MT; ++mt) {
                const auto pairs = [&] {
                    if (mt == 0) rows_by_rows<DK>(score, stage + L::Q, stage + L::K, own, at);
                };
                const auto meanwhile = [&] {
                    if (mt == 0) prepare();
                };
                read_state<DK, BATCH>(sum[mt], state[mt], stage + L::Q, at, pairs, meanwhile, [] {});
            }
            hand_over(score);
            if (own.seen) {
                float weight[4][4], z[2] = {0.0f, 0.0f};
                pair_weights(weight, c, mu, own, valid, x.scale, at);
#pragma unroll
                for (int e = 0; e < 16; ++e) {
                    // A weight of 0 leaves nothing, whatever stands beside it.
                    const float of = weight[e / 4][e % 4];
                    score[e / 4][e % 4] = of != 0.0f ? of * score[e / 4][e % 4] : 0.0f;
                    z[e % 4 / 2] += score[e / 4][e % 4];
                }
                store_scores(base + L::SCORES, score, own, at);
#pragma unroll
                for (int below = 0; below < 2; ++below) {
                    z[below] = over_quad(z[below]);
                    if (at.quad == 0) z_shared[at.warp / 4 * TOKENS + own.query + at.group + below * 8] = z[below];
                }
            } else if (at.lane < 16) {
                z_shared[TOKENS + own.query + at.lane] = 0.0f;
            }

            // q . n of one query by four threads.
#pragma unroll
            for (int unit = at.quad; unit < DK / 8; unit += 4) {
                unsigned word[4];
                load_words(word, unit_of(stage + L::Q, at.t / 4, unit));
#pragma unroll
                for (int below = 0; below < 2; ++below) {
                    const float4 sums = *(const float4*)(n_shared + unit * 8 + below * 4);
                    read_n += low_of(word[below * 2]) * sums.x + high_of(word[below * 2]) * sums.y;
                    read_n += low_of(word[below * 2 + 1]) * sums.z + high_of(word[below * 2 + 1]) * sums.w;
                }
            }
            read_n += __shfl_xor_sync(0xffffffffu, read_n, 1);
            read_n += __shfl_xor_sync(0xffffffffu, read_n, 2);
        } else {
            prepare();
        }
        publish();
        __syncthreads();  // scores, sums and weights are there

        if (const int t = Place().t; READ && t % 4 == 0) {
            const int row = t / 4;
            const float z = z_shared[row] + z_shared[TOKENS + row] + before_shared[row] * read_n;
            factor_shared[row] = readout(cell, z, ((const float*)(here + L::M))[row]);
        }
        const Place at;
        if (READ) {
#pragma unroll
            for (int tile = 0; tile < TOKENS / 8; ++tile) {
                const float2 before = *(const float2*)(before_shared + tile * 8 + at.quad * 2);
#pragma unroll
                for (int e = 0; e < MT * 4; ++e) sum[e / 4][tile][e % 4] *= e % 2 ? before.y : before.x;
            }
        }
        const float keep = expf(difference(low, high));
#pragma unroll
        for (int e = 0; e < MT * TILES * 4; ++e) state[e / (TILES * 4)][e / 4 % TILES][e % 4] *= keep;
        // n, of the keys as they are; then C, of values with their weights at the end of the chunk, and beside it the chunk's own values by its scores.
#pragma unroll
        for (int r = 0; r < N_TILES; ++r) {
            float fresh[2] = {0.0f, 0.0f};
#pragma unroll
            for (int step = 0; step < TOKENS / 16; ++step) {
                unsigned keys[4];
                load_own(keys, stage + L::K, step, (at.warp + 8 * r) % (DK / 16) * 2, at);
                sum_columns(fresh, keys, last_shared, step, at);
            }
#pragma unroll
            for (int below = 0; below < 2; ++below) n[r][below] = keep * n[r][below] + over_quad(fresh[below]);
        }
#pragma unroll
        for (int mt = 0; mt < MT; ++mt) {
            unsigned values[4][4], weighed[4][4];
#pragma unroll
            for (int step = 0; step < TOKENS / 16; ++step) {
                load_own(values[step], stage + L::V, step, value_of(at.warp, mt) / 8, at);
                weigh_columns(weighed[step], values[step], last_shared, step, at);
            }
            read_and_add<READ, false, DK>(sum[mt], state[mt], values, weighed, base + L::SCORES, stage + L::K, at, [] {});
        }
        if (!READ) continue;
        store_n();
        __syncthreads();  // the denominators are there
        // h takes the place of the warp's own values, which nobody else reads, and leaves from there by rows; the output gates come the same way before it.
        constexpr int ROWS = 16 / MT;
        const int column = value_of(at.warp, at.lane / 2 % MT) / 8 + at.lane % 2;
        const bool inside = x.left + column * 8 < x.dv;
        __syncwarp();
        if (GATED) {
#pragma unroll
            for (int pass = 0; pass < TOKENS / ROWS; ++pass) {
                const int row = pass * ROWS + at.lane / (2 * MT);
                unsigned word[4] = {0, 0, 0, 0};
                if (inside && row < valid) {
                    const unsigned* gates = (const unsigned*)(x.o + long(first + row) * x.o_step + x.left + column * 8);
                    asm volatile("ld.global.nc.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3]) : "l"(gates));
                }
                store_words(unit_of(stage + L::V, row, column), word);
            }
            __syncwarp();
        }
#pragma unroll
        for (int tile = 0; tile < TOKENS / 8; ++tile) {
            const float2 factor = *(const float2*)(factor_shared + tile * 8 + at.quad * 2);
#pragma unroll
            for (int e = 0; e < MT * 4; ++e) sum[e / 4][tile][e % 4] *= e % 2 ? factor.y : factor.x;
        }
#pragma unroll
        for (int e = 0; e < TOKENS / 16 * MT; ++e) {
            const int pair = e / MT, mt = e % MT;
            const unsigned place = unit_of(stage + L::V, pair * 16 + at.row_right, value_of(at.warp, mt) / 8 + at.unit_right);
            if (GATED) {
                unsigned gates[4];
                load_tiles_transposed(gates, place);
#pragma unroll
                for (int part = 0; part < 8; ++part) {
                    const float gate = part % 2 ? high_of(gates[part / 2]) : low_of(gates[part / 2]);
                    float& out = sum[mt][pair * 2 + part / 4][part % 4];
                    out = __fdividef(out, 1.0f + __expf(-gate));
                }
            }
            store_products(place, sum[mt], pair);
        }
        __syncwarp();
#pragma unroll
        for (int pass = 0; pass < TOKENS / ROWS; ++pass) {
            const int row = pass * ROWS + at.lane / (2 * MT);
            unsigned word[4];
            load_words(word, unit_of(stage + L::V, row, column));
            if (inside && row < valid) {
                unsigned short* const to = x.h + long(first + row) * x.v_step + x.left + column * 8;
                asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]) : "memory");
            }
        }
    }

    if (x.c_last) {
        __syncthreads();  // all stages have been read
#pragma unroll
        for (int e = 0; e < MT * TILES * 4; ++e) {
            const int mt = e / (TILES * 4), tile = e / 4 % TILES;
            entries[(tile * 8 + e % 2) * L::PITCH + value_of(start.warp, mt) + e % 4 / 2 * 8] = state[mt][tile][e % 4];
        }
        __syncthreads();  // C is there
        for (int at = start.t; at < DK * (L::DV / 4); at += THREADS) {
            const int key = at / (L::DV / 4), value = at % (L::DV / 4) * 4;
            const bool there = key < x.dk && x.left + value < x.dv;
            const float4 part = *(const float4*)((const float*)memory + key * L::PITCH + value);
            if (there) *(float4*)(x.c_last + long(key) * x.dv + x.left + value) = part;
        }
        if (x.left == 0 && start.quad == 0) {
#pragma unroll
            for (int e = 0; e < N_TILES * 2; ++e) {
                const int key = (start.warp + e / 2 * 8) * 16 + start.group + e % 2 * 8;
                if (key < x.dk) x.n_last[key] = n[e / 2][e % 2];
            }
        }
    }
}
