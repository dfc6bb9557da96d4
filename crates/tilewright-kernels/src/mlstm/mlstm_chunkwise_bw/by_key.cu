// One group for a segment of a sequence. Without READ the gradient that the segment adds to that of the state before it; otherwise from that which enters at its end.
// One barrier a chunk: its data are there.
using L = ReverseLayout<VALUES, true>;
constexpr int TILES = VALUES / 8;
memory += -shared_address(memory) % 1024;
const unsigned base = shared_address(memory);

// In shared memory, since registers are for dC.
__shared__ Sequence x;
if (threadIdx.x == 0) {
    const long head = threadgroup_position_in_grid.x / segments, row = head * s;
    x.q = (const unsigned short*)q + row * dk;
    x.k = (const unsigned short*)k + row * dk;
    x.v = (const unsigned short*)v + row * dv;
    x.dh = (const unsigned short*)dh + row * dv;
    x.made = (const unsigned char*)made + head * ((int(s) + TOKENS - 1) / TOKENS) * MADE;
    x.head = head;
    x.row = row;
    x.tokens = int(s);
    x.dk = int(dk);
    x.dv = int(dv);
    x.scale = scale;
}
__syncthreads();

float* const all_parts = (float*)(memory + L::PARTS);  // [2][8][64]: k . dk over the keys of each warp, of this chunk and the one after it
// k . dk of a chunk, once all warps have written their parts.
const auto finish_keys = [&](const float* parts, int first, int valid) {
    const int t = Place().t;
    if (t >= valid) return;
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < 8; ++warp) sum += parts[warp * TOKENS + t];
    by_key[x.row + first + t] = sum;
};

float state[TILES][4], n[2];
const long part = threadgroup_position_in_grid.x;
const int begin = int(part % segments) * int(span), end = min(begin + int(span), x.tokens);
load_state<VALUES>(state, n, resume ? dc_last + part * dk * dv : nullptr, resume_n ? dn_last + part * dk : nullptr, x.dk, x.dv, Place());
const int final = (end - 1) / TOKENS * TOKENS;
fetch_reverse<VALUES, true, READ>(x, final, base);
for (int first = final, parity = 0; first >= begin; first -= TOKENS, parity ^= 1) {
    const int valid = min(TOKENS, x.tokens - first);
    const unsigned stage = base + parity * L::STAGE;
    const unsigned char* const here = memory + parity * L::STAGE;
    const float* const last = (const float*)(here + L::W);
    const float* const numerator = last + TOKENS;
    const float* const denominator = numerator + TOKENS;
    const float* const keep_of = denominator + TOKENS;
    float* const parts = all_parts + parity * 8 * TOKENS;
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    publish();
    __syncthreads();  // the chunk is there, and everything of the one after it has been read
    float sum[TOKENS / 8][4];
    const Place at;
    float fresh[2] = {0.0f, 0.0f};
    unsigned queries[4][4], weighed[4][4];
    // What flows over the end of an interval: the state there by its gradient.
    if (READ && ((first + TOKENS) % INTERVAL == 0 || first == final)) {
        const long place = x.head * intervals + first / INTERVAL;
        float flow = 0.0f;
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
    const auto prepare = [&] {
        if (first > begin) fetch_reverse<VALUES, true, READ>(x, first - TOKENS, base + (parity ^ 1) * L::STAGE);
        if (READ && first < final) finish_keys(all_parts + (parity ^ 1) * 8 * TOKENS, first + TOKENS, min(TOKENS, x.tokens - first - TOKENS));
    };
    const auto take_queries = [&] {
#pragma unroll
        for (int step = 0; step < TOKENS / 16; ++step) {
            load_own(queries[step], stage + L::Q, step, at.warp * 2, at);
            sum_columns(fresh, queries[step], denominator, step, at);
            weigh_columns(weighed[step], queries[step], numerator, step, at);
        }
    };
    if (READ) {
        read_state<VALUES, 4>(sum, state, stage + L::V, at, [] {}, prepare, take_queries);
#pragma unroll
        for (int tile = 0; tile < TOKENS / 8; ++tile) {
            const float2 weight = *(const float2*)(last + tile * 8 + at.quad * 2);
#pragma unroll
            for (int e = 0; e < 4; ++e) sum[tile][e] = (e % 2 ? weight.y : weight.x) * (sum[tile][e] + n[e / 2]);
        }
    } else {
        prepare();
        take_queries();
    }
    const float keep = keep_of[0];
#pragma unroll
    for (int e = 0; e < TILES * 4; ++e) state[e / 4][e % 4] *= keep;
    read_and_add<READ, true, VALUES>(sum, state, queries, weighed, stage + L::P, stage + L::D, at, [] {});
#pragma unroll
    for (int below = 0; below < 2; ++below) n[below] = keep * n[below] + over_quad(fresh[below]);
    if (!READ) continue;
    float read[16];
#pragma unroll
    for (int pair = 0; pair < TOKENS / 16; ++pair) {
        unsigned word[4];
        load_own(word, stage + L::K, pair, at.warp * 2, at);
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
if (READ) {
    __syncthreads();  // k . dk of the first chunk is there
    finish_keys(all_parts + ((final - begin) / TOKENS % 2) * 8 * TOKENS, begin, min(TOKENS, x.tokens - begin));
    if (begin > 0) return;
}
// By the state before the sequence, or what the segment adds.
const long to = READ ? x.head : part;
store_state<VALUES>(state, n, dc_first + to * dk * dv, dn_first + to * dk, x.dk, x.dv, at);
if (!READ) return;
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
