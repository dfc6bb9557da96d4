// One group for a sequence. Two barriers a chunk: its data are there; A is there.
using L = Layout<VALUES, true>;
constexpr int TILES = VALUES / 8;
const unsigned base = shared_address(memory);

// In shared memory, since registers are for dC.
__shared__ Sequence x;
if (threadIdx.x == 0) {
    const long head = threadgroup_position_in_grid.x, row = head * s;
    x.q = (const unsigned short*)q + row * dk;
    x.k = (const unsigned short*)k + row * dk;
    x.v = (const unsigned short*)v + row * dv;
    x.dh = (const unsigned short*)dh + row * dv;
    x.c = (const float2*)c + row;
    x.mu = (const float2*)mu + row + head;
    x.readings = (const float2*)readings + row;
    x.head = head;
    x.row = row;
    x.tokens = int(s);
    x.dk = int(dk);
    x.dv = int(dv);
    x.scale = scale;
}
__syncthreads();

float* const parts = (float*)(memory + L::PARTS);  // [8][64]: k . dk over the keys of each warp
float* const numerator = (float*)(memory + L::SUMS);  // [64]: what a query is multiplied by as it enters dC, and dn
float* const denominator = numerator + TOKENS;
float* const before = (float*)(memory + L::BEFORE);
float* const last = (float*)(memory + L::LAST);
// k . dk of a chunk, once all warps have written their parts.
const auto finish = [&](int first, int valid) {
    const int t = Place().t;
    if (t >= valid) return;
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < 8; ++warp) sum += parts[warp * TOKENS + t];
    by_key[x.row + first + t] = sum;
};

float state[TILES][4], n[2];
load_state<VALUES>(state, n, resume ? dc_last + x.head * dk * dv : nullptr, resume_n ? dn_last + x.head * dk : nullptr, x.dk, x.dv, Place());
const int final = (x.tokens - 1) / TOKENS * TOKENS;
fetch<VALUES, true, true, true>(x, final, base);
for (int first = final, parity = 0; first >= 0; first -= TOKENS, parity ^= 1) {
    const int valid = min(TOKENS, x.tokens - first);
    const unsigned stage = base + parity * L::STAGE;
    const unsigned char* const here = memory + parity * L::STAGE;
    const float2* const c = (const float2*)(here + L::C);
    const float2* const mu = (const float2*)(here + L::MU);
    const float2* const reading = (const float2*)(here + L::ROW);
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncthreads();  // the chunk is there, and everything of the one after it has been read
    if (first > 0) fetch<VALUES, true, true, true>(x, first - TOKENS, base + (parity ^ 1) * L::STAGE);
    weigh(c, mu, valid, x.scale, before, last);
    if (const int t = Place().t; t < TOKENS) {
        numerator[t] = before[t] * reading[t].x;
        denominator[t] = before[t] * reading[t].y;
    }

    float sum[TOKENS / 8][4];
    {
        if (first < final) finish(first + TOKENS, min(TOKENS, x.tokens - first - TOKENS));
        // What flows over the end of an interval: the state there by its gradient.
        if ((first + TOKENS) % INTERVAL == 0 || first == final) {
            const long place = x.head * intervals + first / INTERVAL;
            float flow = 0.0f;
            const Place at;
#pragma unroll
            for (int e = 0; e < TILES / 2; ++e) {
                const uint4 words = ((const uint4*)kept)[(place * (TILES / 2) + e) * THREADS + at.t];
                flow += low_of(words.x) * state[e * 2][0] + high_of(words.x) * state[e * 2][1];
                flow += low_of(words.y) * state[e * 2][2] + high_of(words.y) * state[e * 2][3];
                flow += low_of(words.z) * state[e * 2 + 1][0] + high_of(words.z) * state[e * 2 + 1][1];
                flow += low_of(words.w) * state[e * 2 + 1][2] + high_of(words.w) * state[e * 2 + 1][3];
            }
#pragma unroll
            for (int below = 0; below < 2; ++below) {
                if (at.quad == 0) flow += n_kept[place * KEYS + at.warp * 16 + at.group + below * 8] * n[below];
            }
#pragma unroll
            for (int distance = 16; distance > 0; distance /= 2) flow += __shfl_xor_sync(0xffffffffu, flow, distance);
            if (at.lane == 0) over_end[place * 8 + at.warp] = flow;
        }

        const Place at;
        const int query = at.warp / 2 * 16, key = at.warp % 2 * 32;
        if (key <= query + 15) {
            float product[4][4], weight[4][4];
            rows_by_rows<VALUES>(product, stage + L::D, query, stage + L::V, key, at);
            pair_weights(weight, c, mu, query, key, valid, x.scale, at);
            const float2 both[2] = {reading[query + at.group], reading[query + at.group + 8]};
#pragma unroll
            for (int e = 0; e < 16; ++e) {
                // A weight of 0 leaves nothing, whatever stands beside it.
                const float of = both[e % 4 / 2].x * product[e / 4][e % 4] + both[e % 4 / 2].y;
                product[e / 4][e % 4] = weight[e / 4][e % 4] != 0.0f ? weight[e / 4][e % 4] * of : 0.0f;
            }
            store_scores(base + L::SCORES, product, query, key, at);
        }
        read_state<VALUES>(sum, state, stage + L::V, at);
    }
    __syncthreads();  // A and the weights are there, and k . dk of the chunk after this one has been read

    const Place at;
#pragma unroll
    for (int tile = 0; tile < TOKENS / 8; ++tile) {
        const float2 weight = *(const float2*)(last + tile * 8 + at.quad * 2);
#pragma unroll
        for (int e = 0; e < 4; ++e) sum[tile][e] = (e % 2 ? weight.y : weight.x) * (sum[tile][e] + n[e / 2]);
    }
    const float keep = expf(difference(mu[0], mu[valid]));
    float fresh[2] = {0.0f, 0.0f};
#pragma unroll
    for (int e = 0; e < TILES * 4; ++e) state[e / 4][e % 4] *= keep;
#pragma unroll
    for (int step = 0; step < TOKENS / 16; ++step) {
        unsigned a[4], b[4];
        load_own(a, stage + L::Q, step, at);
#pragma unroll
        for (int pair = 0; pair <= step; ++pair) {
            load_tiles_transposed(b, unit_of<TOKENS>(base + L::SCORES, step * 16 + at.row_left, pair * 2 + at.unit_left));
            multiply(sum[pair * 2], a, b[0], b[1]);
            multiply(sum[pair * 2 + 1], a, b[2], b[3]);
        }
        sum_columns(fresh, a, denominator, step, at);
        weigh_columns(a, numerator, step, at);
        add_to_state<VALUES>(state, a, stage + L::D, step, at);
    }
#pragma unroll
    for (int below = 0; below < 2; ++below) n[below] = keep * n[below] + over_quad(fresh[below]);
    float read[16];
#pragma unroll
    for (int pair = 0; pair < TOKENS / 16; ++pair) {
        unsigned word[4];
        load_own(word, stage + L::K, pair, at);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const unsigned upper = word[e / 2 * 2], lower = word[e / 2 * 2 + 1];
            const float (&of)[4] = sum[pair * 2 + e / 2];
            read[pair * 4 + e] = (e % 2 ? high_of(upper) : low_of(upper)) * of[e % 2] + (e % 2 ? high_of(lower) : low_of(lower)) * of[2 + e % 2];
        }
    }
    fold<8>(read, at.lane, 16);
    fold<4>(read, at.lane, 8);
    fold<2>(read, at.lane, 4);
    *(float2*)(parts + at.warp * TOKENS + at.group * 8 + at.quad * 2) = float2(read[0], read[1]);
    store_own((unsigned short*)dk_out + (x.row + first) * dk, sum, stage + L::Q, valid, x.dk, at);
}
const Place at;
__syncthreads();  // k . dk of the first chunk is there
finish(0, min(TOKENS, x.tokens));
store_state<VALUES>(state, n, dc_first + x.head * dk * dv, dn_first + x.head * dk, x.dk, x.dv, at);
// What flows into the first token.
float flow = 0.0f;
if (begun) {
#pragma unroll
    for (int e = 0; e < VALUES / 4; ++e) {
        const int key = at.warp * 16 + at.group + e % 2 * 8, value = e / 2 * 8 + at.quad * 2;
        if (key >= x.dk || value >= x.dv) continue;
        const float2 pair = *(const float2*)(c_first + (x.head * dk + key) * dv + value);
        flow += pair.x * state[e / 2][e % 2 * 2] + pair.y * state[e / 2][e % 2 * 2 + 1];
    }
#pragma unroll
    for (int below = 0; below < 2; ++below) {
        const int key = at.warp * 16 + at.group + below * 8;
        if (at.quad == 0 && key < x.dk) flow += n_first[x.head * dk + key] * n[below];
    }
}
#pragma unroll
for (int distance = 16; distance > 0; distance /= 2) flow += __shfl_xor_sync(0xffffffffu, flow, distance);
if (at.lane == 0) over_start[x.head * 8 + at.warp] = flow;
