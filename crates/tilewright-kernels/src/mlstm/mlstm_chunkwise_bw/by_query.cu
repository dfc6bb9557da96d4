// One group for a segment of a sequence. Without READ the state that the segment adds; otherwise what its queries read, from the state that enters it.
// Three barriers a chunk: its data are there; what the warps' keys give the readings is there; A is there.
using L = ForwardLayout<VALUES>;
constexpr int TILES = VALUES / 8;
memory += -shared_address(memory) % 1024;
const unsigned base = shared_address(memory);
const int chunks = (int(s) + TOKENS - 1) / TOKENS;
const Cell cell = {sigmoid_gate, normalize, eps, cap};

// In shared memory, since registers are for C.
__shared__ Sequence x;
if (threadIdx.x == 0) {
    const long head = threadgroup_position_in_grid.x / segments, row = head * s;
    x.q = (const unsigned short*)q + row * dk;
    x.k = (const unsigned short*)k + row * dk;
    x.v = (const unsigned short*)v + row * dv;
    x.dh = (const unsigned short*)dh + row * dv;
    x.c = (const float2*)c + row;
    x.mu = (const float2*)mu + row + head;
    x.m = m + row;
    x.head = head;
    x.row = row;
    x.tokens = int(s);
    x.dk = int(dk);
    x.dv = int(dv);
    x.scale = scale;
}
__syncthreads();

float2* const parts = (float2*)(memory + L::PARTS);  // [8][64]: q . C dh and q . n over the keys of each warp
float2* const sums = (float2*)(memory + L::SUMS);    // [2][64]: the sums of S P and of S over the halves of a chunk's keys
float* const before = (float*)(memory + L::BEFORE);
float* const last = (float*)(memory + L::W);
float* const numerator = last + TOKENS;
float* const denominator = numerator + TOKENS;
const float* const keep_of = denominator + TOKENS;

clear_scores(base + L::A);
clear_scores(base + L::S);
float state[TILES][4], n[2];
const long part = threadgroup_position_in_grid.x;
const int begin = int(part % segments) * int(span), end = min(begin + int(span), x.tokens);
load_state<VALUES>(state, n, resume ? c_first + part * dk * dv : nullptr, resume ? n_first + part * dk : nullptr, x.dk, x.dv, Place());
fetch<VALUES, READ>(x, begin, base);
for (int first = begin, parity = 0; first < end; first += TOKENS, parity ^= 1) {
    const int valid = min(TOKENS, x.tokens - first);
    const unsigned stage = base + parity * L::STAGE;
    const unsigned char* const here = memory + parity * L::STAGE;
    const float2* const c = (const float2*)(here + L::C);
    const float2* const mu = (const float2*)(here + L::MU);
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    publish();
    __syncthreads();  // the chunk is there, and everything of the one before has been read
    const auto prepare = [&] {
        if (first + TOKENS < end) fetch<VALUES, READ>(x, first + TOKENS, base + (parity ^ 1) * L::STAGE);
        weigh(c, mu, valid, x.scale, before, last);
    };

    float sum[TOKENS / 8][4];
    const Place at;
    if (READ) {
        // Pairs of tokens; C dh, and what the queries read of it and of n.
        float score[4][4], product[4][4], weight[4][4];
        const Pairs own(at);
        read_state<VALUES, 4>(sum, state, stage + L::D, at, [&] {
            rows_by_rows<KEYS>(score, stage + L::Q, stage + L::K, own, at);
            rows_by_rows<VALUES>(product, stage + L::D, stage + L::V, own, at);
        }, prepare, [&] { pair_weights(weight, c, mu, own, valid, x.scale, at); });
        hand_over(score);
        hand_over(product);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float read[16];
#pragma unroll
            for (int pair = 0; pair < 2; ++pair) {
                unsigned word[4];
                load_own(word, stage + L::Q, half * 2 + pair, at.warp * 2, at);
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const unsigned upper = word[e / 2 * 2], lower = word[e / 2 * 2 + 1];
                    const float by[2] = {e % 2 ? high_of(upper) : low_of(upper), e % 2 ? high_of(lower) : low_of(lower)};
                    const float (&read_of)[4] = sum[(half * 2 + pair) * 2 + e / 2];
                    read[pair * 8 + e * 2] = by[0] * read_of[e % 2] + by[1] * read_of[2 + e % 2];
                    read[pair * 8 + e * 2 + 1] = by[0] * n[0] + by[1] * n[1];
                }
            }
            fold<8>(read, at.lane, 16);
            fold<4>(read, at.lane, 8);
            fold<2>(read, at.lane, 4);
            const int token = (half * 4 + at.group / 2) * 8 + at.quad * 2 + at.group % 2;
            parts[at.warp * TOKENS + token] = float2(read[0], read[1]);
        }

        if (own.seen) {
            float sum_p[2] = {0.0f, 0.0f}, sum_s[2] = {0.0f, 0.0f};
#pragma unroll
            for (int e = 0; e < 16; ++e) {
                // A weight of 0 leaves nothing, whatever stands beside it.
                const float of = weight[e / 4][e % 4];
                float &one = score[e / 4][e % 4], &other = product[e / 4][e % 4];
                sum_p[e % 4 / 2] += of != 0.0f ? of * one * other : 0.0f;
                one = of != 0.0f ? of * one : 0.0f;
                other = of != 0.0f ? of * other : 0.0f;
                sum_s[e % 4 / 2] += one;
            }
#pragma unroll
            for (int below = 0; below < 2; ++below) {
                const float2 both = float2(over_quad(sum_p[below]), over_quad(sum_s[below]));
                if (at.quad == 0) sums[at.warp / 4 * TOKENS + own.query + at.group + below * 8] = both;
            }
        } else if (at.lane < 16) {
            sums[TOKENS + own.query + at.lane] = float2(0.0f, 0.0f);
        }
        __syncthreads();  // all parts of the readings are there

        if (own.seen) {
            float r[2], dz[2];
#pragma unroll
            for (int below = 0; below < 2; ++below) {
                const int token = own.query + at.group + below * 8;
                const float2 one = parts[at.quad * TOKENS + token], other = parts[(at.quad + 4) * TOKENS + token];
                const float2 near = sums[token], far = sums[TOKENS + token];
                const float by_h = before[token] * over_quad(one.x + other.x) + (near.x + far.x);
                const float z = before[token] * over_quad(one.y + other.y) + (near.y + far.y);
                const float m_here = ((const float*)(here + L::M))[token];
                // |z| > exp(-m), without overflow.
                const bool counts = m_here < 0.0f ? fabsf(z) * expf(m_here) > 1.0f : fabsf(z) > expf(-m_here);
                r[below] = token < valid ? readout(cell, z, m_here) : 0.0f;
                const float through = r[below] * by_h * r[below];
                dz[below] = token < valid && exact && normalize && counts ? (z < 0.0f ? through : -through) : 0.0f;
                if (at.quad == 0 && own.key == 0) {
                    numerator[token] = before[token] * r[below];
                    denominator[token] = before[token] * dz[below];
                    // q . dq, without the difference that dq is.
                    if (token < valid) by_query[x.row + first + token] = r[below] * by_h + dz[below] * z;
                }
            }
#pragma unroll
            for (int e = 0; e < 16; ++e) {
                product[e / 4][e % 4] = r[e % 4 / 2] * product[e / 4][e % 4] + dz[e % 4 / 2] * weight[e / 4][e % 4];
                score[e / 4][e % 4] *= r[e % 4 / 2];
            }
            store_scores(base + L::A, product, own, at);
            store_scores(base + L::S, score, own, at);
        }
        publish();
        __syncthreads();  // A and the readings are there

#pragma unroll
        for (int tile = 0; tile < TOKENS / 8; ++tile) {
            const int token = tile * 8 + at.quad * 2;
            const float2 by = *(const float2*)(numerator + token), by_n = *(const float2*)(denominator + token);
#pragma unroll
            for (int e = 0; e < 4; ++e) sum[tile][e] = (e % 2 ? by.y : by.x) * sum[tile][e] + (e % 2 ? by_n.y : by_n.x) * n[e / 2];
        }
    } else {
        prepare();
        __syncthreads();  // the weights are there
    }
    const float keep = keep_of[0];
    float fresh[2] = {0.0f, 0.0f};
#pragma unroll
    for (int e = 0; e < TILES * 4; ++e) state[e / 4][e % 4] *= keep;
    unsigned keys[4][4], weighed[4][4];
#pragma unroll
    for (int step = 0; step < TOKENS / 16; ++step) {
        load_own(keys[step], stage + L::K, step, at.warp * 2, at);
        sum_columns(fresh, keys[step], last, step, at);
        weigh_columns(weighed[step], keys[step], last, step, at);
    }
    read_and_add<READ, false, VALUES>(sum, state, keys, weighed, base + L::A, stage + L::V, at, [&] {
        if (!READ) return;
        uint4* const to = (uint4*)made + (x.head * chunks + first / TOKENS) * (MADE / 16);
        for (int unit = at.t; unit < MADE / 16; unit += THREADS) to[unit] = ((const uint4*)(memory + L::A))[unit];
    });
#pragma unroll
    for (int below = 0; below < 2; ++below) n[below] = keep * n[below] + over_quad(fresh[below]);
    if (!READ) continue;
    store_own((unsigned short*)dq + (x.row + first) * dk, sum, stage + L::K, valid, x.dk, at);

    // The state at the end of an interval, as the walk by key will meet it.
    if ((first + TOKENS) % INTERVAL == 0 || first + TOKENS >= x.tokens) {
        const long place = x.head * intervals + first / INTERVAL;
#pragma unroll
        for (int e = 0; e < TILES / 2; ++e) {
            uint4 words;
            words.x = packed(state[e * 2][0], state[e * 2][1]);
            words.y = packed(state[e * 2][2], state[e * 2][3]);
            words.z = packed(state[e * 2 + 1][0], state[e * 2 + 1][1]);
            words.w = packed(state[e * 2 + 1][2], state[e * 2 + 1][3]);
            ((uint4*)kept)[(place * (TILES / 2) + e) * THREADS + at.t] = words;
        }
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            if (at.quad == 0) n_kept[place * KEYS + at.warp * 16 + at.group + below * 8] = n[below];
        }
    }
}
if (!READ) store_state<VALUES>(state, n, c_added + part * dk * dv, n_added + part * dk, x.dk, x.dv, Place());
