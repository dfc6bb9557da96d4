// bf16 data on the matrix units: one group of 8 warps walks the chunks of a sequence with its part of C in registers, so that q, k, v are read once, h is
// written once and no state between chunks leaves the chip. Everything is transposed: warps own rows of Cᵀ [values x keys], so that the accumulators of the
// state are, rounded, the left factor of its product with the queries.
//
// A chunk has 64 tokens. Three barriers a chunk: its data are there; scores, their sums and the weights are there; the keys carry their weights.
// DK: keys, padded to 64, 128 or 256. MT: tiles of 16 values per warp, so that a group has 128 MT values.
template <int DK, int MT> struct Layout {
    static constexpr int DV = 128 * MT;
    static constexpr int Q = 0, K = Q + TOKENS * DK * 2, V = K + TOKENS * DK * 2;
    static constexpr int C = V + TOKENS * DV * 2, MU = C + TOKENS * 8, M = MU + (TOKENS + 2) * 8;
    static constexpr int STAGE = M + TOKENS * 4 + 112;  // a multiple of 128
    static constexpr int SCORES = 2 * STAGE, N = SCORES + TOKENS * TOKENS * 2;
    static constexpr int Z = N + DK * 4, BEFORE = Z + 2 * TOKENS * 4, LAST = BEFORE + TOKENS * 4, FACTOR = LAST + TOKENS * 4;
    static constexpr int BYTES = FACTOR + TOKENS * 4;
    // Floats from a row of C to the next where it passes through the stages: quads stand in other banks.
    static constexpr int PITCH = DV + 4;
    static_assert(STAGE % 128 == 0, "rows begin at the first bank");
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
    constexpr int TILES = DK / 8, KEY_STEPS = DK / 16, N_TILES = DK > 128 ? DK / 128 : 1;
    const unsigned base = shared_address(memory);
    const Place start;
    const int warp = start.warp, own = warp * 16 * MT;  // own: the warp's first value within the group's
    float* const n_shared = (float*)(memory + L::N);
    float* const z_shared = (float*)(memory + L::Z);
    float* const before_shared = (float*)(memory + L::BEFORE);
    float* const last_shared = (float*)(memory + L::LAST);
    float* const factor_shared = (float*)(memory + L::FACTOR);

    // A thread's first element of C in the stages.
    float* const entries = (float*)memory + start.quad * 2 * L::PITCH + own + start.group;

    // state[..][tile]: rows group and group + 8 of 16 values, columns 2 quad and 2 quad + 1 of 8 keys. n: of tiles 2 (warp + 8 r) and the next, alike in all rows.
    float state[MT][TILES][4], n[N_TILES][2][4];
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
        state[mt][tile][e % 4] = x.c_first ? entries[(tile * 8 + e % 2) * L::PITCH + mt * 16 + e % 4 / 2 * 8] : 0.0f;
    }
#pragma unroll
    for (int r = 0; r < N_TILES; ++r) {
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            const int key = (warp + 8 * r) * 16 + e / 4 * 8 + start.quad * 2 + e % 2;
            n[r][e / 4][e % 4] = x.n_first && key < x.dk ? x.n_first[key] : 0.0f;
        }
    }
    const auto store_n = [&] {
        const Place at;
#pragma unroll
        for (int e = 0; e < N_TILES * 8; ++e) {
            const int key = (at.warp + 8 * (e / 8)) * 16 + e % 8 / 4 * 8 + at.quad * 2 + e % 2;
            if (at.group == 0 && e % 4 < 2 && key < DK) n_shared[key] = n[e / 8][e % 8 / 4][e % 4];
        }
    };
    store_n();

    __syncthreads();  // the state that was in the stages has been read
    fetch<DK, MT, READ>(x, 0, base);
    for (int first = 0, parity = 0; first < x.tokens; first += TOKENS, parity ^= 1) {
        const int valid = min(TOKENS, x.tokens - first);
        const unsigned stage = base + parity * L::STAGE;
        const unsigned char* const here = memory + parity * L::STAGE;
        const float2* const c = (const float2*)(here + L::C);
        const float2* const mu = (const float2*)(here + L::MU);
        asm volatile("cp.async.wait_group 0;" ::: "memory");
        __syncthreads();  // the chunk is there, and the other stage and the scores have been read
        if (first + TOKENS < x.tokens) fetch<DK, MT, READ>(x, first + TOKENS, base + (parity ^ 1) * L::STAGE);

        const float2 low = mu[0], high = mu[valid];
        if (const int t = Place().t; t < TOKENS) {
            last_shared[t] = t < valid ? expf(difference(c[t], high)) : 0.0f;
            if (READ) before_shared[t] = t < valid ? x.scale * expf(difference(low, mu[t + 1])) : 0.0f;
        }

        float sum[MT][TOKENS / 8][4], read_n = 0.0f;
        if (READ) {
            const Place at;
            // Scores of 16 queries and 32 keys; those above the diagonal are neither made nor read.
            const int query = at.warp / 2 * 16, key = at.warp % 2 * 32;
            if (key <= query + 15) {
                float score[4][4];
#pragma unroll
                for (int e = 0; e < 16; ++e) score[e / 4][e % 4] = 0.0f;
#pragma unroll
                for (int step = 0; step < KEY_STEPS; ++step) {
                    unsigned a[4], b[4];
                    load_tiles(a, unit_of<DK>(stage + L::Q, query + at.row_left, step * 2 + at.unit_left));
#pragma unroll
                    for (int pair = 0; pair < 2; ++pair) {
                        load_tiles(b, unit_of<DK>(stage + L::K, key + pair * 16 + at.row_right, step * 2 + at.unit_right));
                        multiply(score[pair * 2], a, b[0], b[1]);
                        multiply(score[pair * 2 + 1], a, b[2], b[3]);
                    }
                }
                float z[2] = {0.0f, 0.0f};
                const float2 reached[2] = {mu[query + at.group + 1], mu[query + at.group + 9]};
#pragma unroll
                for (int tile = 0; tile < 4; ++tile) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        // Chosen, not multiplied by 0: beyond the diagonal a weight may be infinite.
                        const int row = query + at.group + e / 2 * 8, column = key + tile * 8 + at.quad * 2 + e % 2;
                        const bool seen = column <= row && row < valid;
                        const float weight = seen ? __expf(difference(c[column], reached[e / 2])) : 0.0f;
                        score[tile][e] = seen ? x.scale * score[tile][e] * weight : 0.0f;
                        z[e / 2] += score[tile][e];
                    }
#pragma unroll
                    for (int below = 0; below < 2; ++below) {
                        const unsigned to = unit_of<TOKENS>(base + L::SCORES, query + at.group + below * 8, key / 8 + tile) + at.quad * 4;
                        store_word(to, packed(score[tile][below * 2], score[tile][below * 2 + 1]));
                    }
                }
#pragma unroll
                for (int below = 0; below < 2; ++below) {
                    z[below] += __shfl_xor_sync(0xffffffffu, z[below], 1);
                    z[below] += __shfl_xor_sync(0xffffffffu, z[below], 2);
                    if (at.quad == 0) z_shared[at.warp % 2 * TOKENS + query + at.group + below * 8] = z[below];
                }
            } else if (at.lane < 16) {
                z_shared[TOKENS + query + at.lane] = 0.0f;
            }

            // q . n of one query by four threads.
#pragma unroll
            for (int unit = at.quad; unit < DK / 8; unit += 4) {
                unsigned word[4];
                load_words(word, unit_of<DK>(stage + L::Q, at.t / 4, unit));
#pragma unroll
                for (int below = 0; below < 2; ++below) {
                    const float4 sums = *(const float4*)(n_shared + unit * 8 + below * 4);
                    read_n += low_of(word[below * 2]) * sums.x + high_of(word[below * 2]) * sums.y;
                    read_n += low_of(word[below * 2 + 1]) * sums.z + high_of(word[below * 2 + 1]) * sums.w;
                }
            }
            read_n += __shfl_xor_sync(0xffffffffu, read_n, 1);
            read_n += __shfl_xor_sync(0xffffffffu, read_n, 2);

            // What the queries read of the state before the chunk.
#pragma unroll
            for (int e = 0; e < MT * TOKENS / 2; ++e) sum[e / (TOKENS / 2)][e / 4 % (TOKENS / 8)][e % 4] = 0.0f;
#pragma unroll
            for (int step = 0; step < KEY_STEPS; ++step) {
                unsigned a[MT][4], b[4];
#pragma unroll
                for (int mt = 0; mt < MT; ++mt) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        const float* pair = &state[mt][step * 2 + e / 2][e % 2 * 2];
                        a[mt][e] = packed(pair[0], pair[1]);
                    }
                }
#pragma unroll
                for (int pair = 0; pair < TOKENS / 16; ++pair) {
                    load_tiles(b, unit_of<DK>(stage + L::Q, pair * 16 + at.row_right, step * 2 + at.unit_right));
#pragma unroll
                    for (int mt = 0; mt < MT; ++mt) {
                        multiply(sum[mt][pair * 2], a[mt], b[0], b[1]);
                        multiply(sum[mt][pair * 2 + 1], a[mt], b[2], b[3]);
                    }
                }
            }
        }
        __syncthreads();  // scores, sums and weights are there, and the keys have been read

        if (const int t = Place().t; READ && t % 4 == 0) {
            const int row = t / 4;
            const float z = z_shared[row] + z_shared[TOKENS + row] + before_shared[row] * read_n;
            factor_shared[row] = readout(cell, z, ((const float*)(here + L::M))[row]);
        }
        // Keys with their weights at the end of the chunk, in their place.
#pragma unroll
        for (int at = Place().t; at < TOKENS * (DK / 8); at += THREADS) {
            const int row = at / (DK / 8);
            const unsigned place = unit_of<DK>(stage + L::K, row, at % (DK / 8));
            const float weight = last_shared[row];
            unsigned word[4];
            load_words(word, place);
#pragma unroll
            for (int e = 0; e < 4; ++e) word[e] = packed(weight * low_of(word[e]), weight * high_of(word[e]));
            store_words(place, word);
        }
        if (READ) {
            const Place at;
#pragma unroll
            for (int tile = 0; tile < TOKENS / 8; ++tile) {
                const float2 before = *(const float2*)(before_shared + tile * 8 + at.quad * 2);
#pragma unroll
                for (int mt = 0; mt < MT; ++mt) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) sum[mt][tile][e] *= e % 2 ? before.y : before.x;
                }
            }
            // The chunk's own values by its scores, up to the diagonal.
#pragma unroll
            for (int step = 0; step < TOKENS / 16; ++step) {
                unsigned a[MT][4], b[4];
#pragma unroll
                for (int mt = 0; mt < MT; ++mt) {
                    load_tiles_transposed(a[mt], unit_of<L::DV>(stage + L::V, step * 16 + at.row_right, at.warp * 2 * MT + mt * 2 + at.unit_right));
                }
#pragma unroll
                for (int pair = step; pair < TOKENS / 16; ++pair) {
                    load_tiles(b, unit_of<TOKENS>(base + L::SCORES, pair * 16 + at.row_right, step * 2 + at.unit_right));
#pragma unroll
                    for (int mt = 0; mt < MT; ++mt) {
                        multiply(sum[mt][pair * 2], a[mt], b[0], b[1]);
                        multiply(sum[mt][pair * 2 + 1], a[mt], b[2], b[3]);
                    }
                }
            }
        }
        __syncthreads();  // the keys carry their weights, and the denominators are there

        const Place at;
        const float keep = expf(difference(low, high));
#pragma unroll
        for (int e = 0; e < MT * TILES * 4; ++e) state[e / (TILES * 4)][e / 4 % TILES][e % 4] *= keep;
#pragma unroll
        for (int e = 0; e < N_TILES * 8; ++e) n[e / 8][e / 4 % 2][e % 4] *= keep;
        constexpr unsigned ONES = 0x3f803f80u;
        const unsigned ones[4] = {ONES, ONES, ONES, ONES};
#pragma unroll
        for (int step = 0; step < TOKENS / 16; ++step) {
            unsigned a[MT][4], b[4];
#pragma unroll
            for (int mt = 0; mt < MT; ++mt) {
                load_tiles_transposed(a[mt], unit_of<L::DV>(stage + L::V, step * 16 + at.row_right, at.warp * 2 * MT + mt * 2 + at.unit_right));
            }
#pragma unroll
            for (int r = 0; r < N_TILES; ++r) {
                const int pair = (at.warp + 8 * r) % (DK / 16);
                load_tiles_transposed(b, unit_of<DK>(stage + L::K, step * 16 + at.row_left, pair * 2 + at.unit_left));
                multiply(n[r][0], ones, b[0], b[1]);
                multiply(n[r][1], ones, b[2], b[3]);
            }
#pragma unroll
            for (int pair = 0; pair < DK / 16; ++pair) {
                load_tiles_transposed(b, unit_of<DK>(stage + L::K, step * 16 + at.row_left, pair * 2 + at.unit_left));
#pragma unroll
                for (int mt = 0; mt < MT; ++mt) {
                    multiply(state[mt][pair * 2], a[mt], b[0], b[1]);
                    multiply(state[mt][pair * 2 + 1], a[mt], b[2], b[3]);
                }
            }
        }
        if (!READ) continue;
        store_n();
        // h takes the place of the warp's own values, which nobody else reads, and leaves from there by rows; the output gates come the same way before it.
        constexpr int ROWS = 16 / MT;
        const int column = at.warp * 2 * MT + at.lane % (2 * MT);
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
                store_words(unit_of<L::DV>(stage + L::V, row, column), word);
            }
            __syncwarp();
        }
#pragma unroll
        for (int tile = 0; tile < TOKENS / 8; ++tile) {
            const float2 factor = *(const float2*)(factor_shared + tile * 8 + at.quad * 2);
#pragma unroll
            for (int mt = 0; mt < MT; ++mt) {
#pragma unroll
                for (int below = 0; below < 2; ++below) {
                    float out[2] = {sum[mt][tile][below * 2] * factor.x, sum[mt][tile][below * 2 + 1] * factor.y};
                    const unsigned place = unit_of<L::DV>(stage + L::V, tile * 8 + at.group, at.warp * 2 * MT + mt * 2 + below) + at.quad * 4;
                    if (GATED) {
                        const unsigned gate = transposed(load_word(place));
                        out[0] = __fdividef(out[0], 1.0f + __expf(-low_of(gate)));
                        out[1] = __fdividef(out[1], 1.0f + __expf(-high_of(gate)));
                    }
                    store_word(place, transposed(packed(out[0], out[1])));
                }
            }
        }
        __syncwarp();
#pragma unroll
        for (int pass = 0; pass < TOKENS / ROWS; ++pass) {
            const int row = pass * ROWS + at.lane / (2 * MT);
            unsigned word[4];
            load_words(word, unit_of<L::DV>(stage + L::V, row, column));
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
            entries[(tile * 8 + e % 2) * L::PITCH + mt * 16 + e % 4 / 2 * 8] = state[mt][tile][e % 4];
        }
        __syncthreads();  // C is there
        for (int at = start.t; at < DK * (L::DV / 4); at += THREADS) {
            const int key = at / (L::DV / 4), value = at % (L::DV / 4) * 4;
            const bool there = key < x.dk && x.left + value < x.dv;
            const float4 part = *(const float4*)((const float*)memory + key * L::PITCH + value);
            if (there) *(float4*)(x.c_last + long(key) * x.dv + x.left + value) = part;
        }
        if (x.left == 0 && start.group == 0) {
#pragma unroll
            for (int r = 0; r < N_TILES; ++r) {
#pragma unroll
                for (int e = 0; e < 8; ++e) {
                    const int key = (warp + 8 * r) * 16 + e / 4 * 8 + start.quad * 2 + e % 2;
                    if (e % 4 < 2 && key < x.dk) x.n_last[key] = n[r][e / 4][e % 4];
                }
            }
        }
    }
}
