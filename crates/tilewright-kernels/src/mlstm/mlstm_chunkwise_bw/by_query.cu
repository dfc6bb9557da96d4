// One group for a sequence. Three barriers a chunk: its data are there; what the warps' keys give the readings is there; A is there.
using L = Layout<VALUES, true>;
constexpr int TILES = VALUES / 8;
const unsigned base = shared_address(memory);
const Cell cell = {sigmoid_gate, normalize, eps, cap};

// In shared memory, since registers are for C.
__shared__ Sequence x;
if (threadIdx.x == 0) {
    const long head = threadgroup_position_in_grid.x, row = head * s;
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
float2* const readings = (float2*)(memory + L::READINGS);
float* const before = (float*)(memory + L::BEFORE);
float* const last = (float*)(memory + L::LAST);

float state[TILES][4], n[2];
load_state<VALUES>(state, n, resume ? c_first + x.head * dk * dv : nullptr, resume ? n_first + x.head * dk : nullptr, x.dk, x.dv, Place());
fetch<VALUES, true, true, false>(x, 0, base);
for (int first = 0, parity = 0; first < x.tokens; first += TOKENS, parity ^= 1) {
    const int valid = min(TOKENS, x.tokens - first);
    const unsigned stage = base + parity * L::STAGE;
    const unsigned char* const here = memory + parity * L::STAGE;
    const float2* const c = (const float2*)(here + L::C);
    const float2* const mu = (const float2*)(here + L::MU);
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncthreads();  // the chunk is there, and everything of the one before has been read
    if (first + TOKENS < x.tokens) fetch<VALUES, true, true, false>(x, first + TOKENS, base + (parity ^ 1) * L::STAGE);
    weigh(c, mu, valid, x.scale, before, last);

    // C dh, and what the queries read of it and of n.
    float sum[TOKENS / 8][4];
    const Place at;
    read_state<VALUES>(sum, state, stage + L::D, at);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float read[16];
#pragma unroll
        for (int pair = 0; pair < 2; ++pair) {
            unsigned word[4];
            load_own(word, stage + L::Q, half * 2 + pair, at);
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

    const int query = at.warp / 2 * 16, key = at.warp % 2 * 32;
    const bool seen = key <= query + 15;
    float product[4][4];
    if (seen) {
        float score[4][4], weight[4][4], sum_p[2] = {0.0f, 0.0f}, sum_s[2] = {0.0f, 0.0f};
        rows_by_rows<KEYS>(score, stage + L::Q, query, stage + L::K, key, at);
        rows_by_rows<VALUES>(product, stage + L::D, query, stage + L::V, key, at);
        pair_weights(weight, c, mu, query, key, valid, x.scale, at);
#pragma unroll
        for (int e = 0; e < 16; ++e) {
            const float weighed = weight[e / 4][e % 4] * score[e / 4][e % 4];
            sum_s[e % 4 / 2] += weighed;
            sum_p[e % 4 / 2] += weighed * product[e / 4][e % 4];
        }
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            const float2 both = float2(over_quad(sum_p[below]), over_quad(sum_s[below]));
            if (at.quad == 0) sums[at.warp % 2 * TOKENS + query + at.group + below * 8] = both;
        }
    } else if (at.lane < 16) {
        sums[TOKENS + query + at.lane] = float2(0.0f, 0.0f);
    }
    __syncthreads();  // all parts of the readings are there

    if (seen) {
        float r[2], dz[2];
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            const int token = query + at.group + below * 8;
            const float2 one = parts[at.quad * TOKENS + token], other = parts[(at.quad + 4) * TOKENS + token];
            const float2 near = sums[token], far = sums[TOKENS + token];
            const float by_h = before[token] * over_quad(one.x + other.x) + (near.x + far.x);
            const float z = before[token] * over_quad(one.y + other.y) + (near.y + far.y);
            const float m_here = ((const float*)(here + L::ROW))[token];
            // |z| > exp(-m), without overflow.
            const bool counts = m_here < 0.0f ? fabsf(z) * expf(m_here) > 1.0f : fabsf(z) > expf(-m_here);
            r[below] = token < valid ? readout(cell, z, m_here) : 0.0f;
            const float through = r[below] * by_h * r[below];
            dz[below] = token < valid && exact && normalize && counts ? (z < 0.0f ? through : -through) : 0.0f;
            if (at.quad == 0 && key == 0) {
                const float2 reading = float2(r[below], dz[below]);
                readings[token] = reading;
                if (token < valid) {
                    ((float2*)readings_out)[x.row + first + token] = reading;
                    // q . dq, without the difference that dq is.
                    by_query[x.row + first + token] = r[below] * by_h + dz[below] * z;
                }
            }
        }
        float weight[4][4];
        pair_weights(weight, c, mu, query, key, valid, x.scale, at);
#pragma unroll
        for (int e = 0; e < 16; ++e) {
            // A weight of 0 leaves nothing, whatever stands beside it.
            const float of = r[e % 4 / 2] * product[e / 4][e % 4] + dz[e % 4 / 2];
            product[e / 4][e % 4] = weight[e / 4][e % 4] != 0.0f ? weight[e / 4][e % 4] * of : 0.0f;
        }
        store_scores(base + L::SCORES, product, query, key, at);
    }
    __syncthreads();  // A and the readings are there

#pragma unroll
    for (int tile = 0; tile < TOKENS / 8; ++tile) {
        const int token = tile * 8 + at.quad * 2;
        const float4 reading = *(const float4*)(readings + token);
        const float2 weight = *(const float2*)(before + token);
#pragma unroll
        for (int below = 0; below < 2; ++below) {
            sum[tile][below * 2] = weight.x * (reading.x * sum[tile][below * 2] + reading.y * n[below]);
            sum[tile][below * 2 + 1] = weight.y * (reading.z * sum[tile][below * 2 + 1] + reading.w * n[below]);
        }
    }
    const float keep = expf(difference(mu[0], mu[valid]));
    float fresh[2] = {0.0f, 0.0f};
#pragma unroll
    for (int e = 0; e < TILES * 4; ++e) state[e / 4][e % 4] *= keep;
#pragma unroll
    for (int step = 0; step < TOKENS / 16; ++step) {
        unsigned a[4], b[4];
        load_own(a, stage + L::K, step, at);
#pragma unroll
        for (int pair = step; pair < TOKENS / 16; ++pair) {
            load_tiles(b, unit_of<TOKENS>(base + L::SCORES, pair * 16 + at.row_right, step * 2 + at.unit_right));
            multiply(sum[pair * 2], a, b[0], b[1]);
            multiply(sum[pair * 2 + 1], a, b[2], b[3]);
        }
        sum_columns(fresh, a, last, step, at);
        weigh_columns(a, last, step, at);
        add_to_state<VALUES>(state, a, stage + L::V, step, at);
    }
#pragma unroll
    for (int below = 0; below < 2; ++below) n[below] = keep * n[below] + over_quad(fresh[below]);
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
