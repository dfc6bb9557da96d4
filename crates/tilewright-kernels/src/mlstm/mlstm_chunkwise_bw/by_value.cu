// One group for a sequence. Warps own rows of dCᵀ [values x keys]. Two barriers a chunk: its data are there; S r is there.
using L = Layout<VALUES, false>;
constexpr int MT = VALUES / 128, TILES = KEYS / 8, PITCH = VALUES + 4;
static_assert(KEYS * PITCH * 4 <= 2 * L::STAGE, "dC fits the stages");
const unsigned base = shared_address(memory);

// In shared memory, since registers are for dC.
__shared__ Sequence x;
if (threadIdx.x == 0) {
    const long head = threadgroup_position_in_grid.x, row = head * s;
    x.q = (const unsigned short*)q + row * dk;
    x.k = (const unsigned short*)k + row * dk;
    x.v = nullptr;
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

float* const numerator = (float*)(memory + L::SUMS);  // [64]: what dh is multiplied by as it enters dC
float* const before = (float*)(memory + L::BEFORE);
float* const last = (float*)(memory + L::LAST);

// dC comes through the stages, whose rows are keys. A thread's first element of it there; quads stand in other banks.
float state[MT][TILES][4];
{
    const Place at;
    const float* const entries = (const float*)memory + at.quad * 2 * PITCH + at.warp * 16 * MT + at.group;
    if (resume) {
        for (int e = at.t; e < KEYS * (VALUES / 4); e += THREADS) {
            const int key = e / (VALUES / 4), value = e % (VALUES / 4) * 4;
            const bool there = key < x.dk && value < x.dv;
            copy_async<16>(base + (key * PITCH + value) * 4, dc_last + (x.head * dk + (there ? key : 0)) * dv + (there ? value : 0), there);
        }
        asm volatile("cp.async.wait_all;" ::: "memory");
        __syncthreads();  // dC is there
    }
#pragma unroll
    for (int e = 0; e < MT * TILES * 4; ++e) {
        const int mt = e / (TILES * 4), tile = e / 4 % TILES;
        state[mt][tile][e % 4] = resume ? entries[(tile * 8 + e % 2) * PITCH + mt * 16 + e % 4 / 2 * 8] : 0.0f;
    }
    __syncthreads();  // it has been read
}

const int final = (x.tokens - 1) / TOKENS * TOKENS;
fetch<VALUES, true, false, true>(x, final, base);
for (int first = final, parity = 0; first >= 0; first -= TOKENS, parity ^= 1) {
    const int valid = min(TOKENS, x.tokens - first);
    const unsigned stage = base + parity * L::STAGE;
    const unsigned char* const here = memory + parity * L::STAGE;
    const float2* const c = (const float2*)(here + L::C);
    const float2* const mu = (const float2*)(here + L::MU);
    const float2* const reading = (const float2*)(here + L::ROW);
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncthreads();  // the chunk is there, and everything of the one after it has been read
    if (first > 0) fetch<VALUES, true, false, true>(x, first - TOKENS, base + (parity ^ 1) * L::STAGE);
    weigh(c, mu, valid, x.scale, before, last);
    if (const int t = Place().t; t < TOKENS) numerator[t] = before[t] * reading[t].x;

    const Place at;
    const int query = at.warp / 2 * 16, key = at.warp % 2 * 32;
    if (key <= query + 15) {
        float score[4][4], weight[4][4];
        rows_by_rows<KEYS>(score, stage + L::Q, query, stage + L::K, key, at);
        pair_weights(weight, c, mu, query, key, valid, x.scale, at);
        const float r[2] = {reading[query + at.group].x, reading[query + at.group + 8].x};
#pragma unroll
        for (int e = 0; e < 16; ++e) score[e / 4][e % 4] *= weight[e / 4][e % 4] != 0.0f ? weight[e / 4][e % 4] * r[e % 4 / 2] : 0.0f;
        store_scores(base + L::SCORES, score, query, key, at);
    }

    // dCᵀ k: rows of values, 64 tokens.
    float sum[MT][TOKENS / 8][4];
#pragma unroll
    for (int e = 0; e < MT * TOKENS / 2; ++e) sum[e / (TOKENS / 2)][e / 4 % (TOKENS / 8)][e % 4] = 0.0f;
#pragma unroll
    for (int step = 0; step < KEYS / 16; ++step) {
        unsigned a[MT][4], b[4];
#pragma unroll
        for (int e = 0; e < MT * 4; ++e) {
            const float* pair = &state[e / 4][step * 2 + e % 4 / 2][e % 2 * 2];
            a[e / 4][e % 4] = packed(pair[0], pair[1]);
        }
#pragma unroll
        for (int pair = 0; pair < TOKENS / 16; ++pair) {
            load_tiles(b, unit_of<KEYS>(stage + L::K, pair * 16 + at.row_right, step * 2 + at.unit_right));
#pragma unroll
            for (int mt = 0; mt < MT; ++mt) {
                multiply(sum[mt][pair * 2], a[mt], b[0], b[1]);
                multiply(sum[mt][pair * 2 + 1], a[mt], b[2], b[3]);
            }
        }
    }
    __syncthreads();  // S r and the weights are there

#pragma unroll
    for (int tile = 0; tile < TOKENS / 8; ++tile) {
        const float2 weight = *(const float2*)(last + tile * 8 + at.quad * 2);
#pragma unroll
        for (int e = 0; e < MT * 4; ++e) sum[e / 4][tile][e % 4] *= e % 2 ? weight.y : weight.x;
    }
    const float keep = expf(difference(mu[0], mu[valid]));
#pragma unroll
    for (int e = 0; e < MT * TILES * 4; ++e) state[e / (TILES * 4)][e / 4 % TILES][e % 4] *= keep;
#pragma unroll
    for (int step = 0; step < TOKENS / 16; ++step) {
        unsigned a[MT][4], b[4];
#pragma unroll
        for (int mt = 0; mt < MT; ++mt) {
            load_tiles_transposed(a[mt], unit_of<VALUES>(stage + L::D, step * 16 + at.row_right, (at.warp * MT + mt) * 2 + at.unit_right));
        }
#pragma unroll
        for (int pair = 0; pair <= step; ++pair) {
            load_tiles_transposed(b, unit_of<TOKENS>(base + L::SCORES, step * 16 + at.row_left, pair * 2 + at.unit_left));
#pragma unroll
            for (int mt = 0; mt < MT; ++mt) {
                multiply(sum[mt][pair * 2], a[mt], b[0], b[1]);
                multiply(sum[mt][pair * 2 + 1], a[mt], b[2], b[3]);
            }
        }
#pragma unroll
        for (int mt = 0; mt < MT; ++mt) weigh_columns(a[mt], numerator, step, at);
#pragma unroll
        for (int pair = 0; pair < KEYS / 16; ++pair) {
            load_tiles_transposed(b, unit_of<KEYS>(stage + L::Q, step * 16 + at.row_left, pair * 2 + at.unit_left));
#pragma unroll
            for (int mt = 0; mt < MT; ++mt) {
                multiply(state[mt][pair * 2], a[mt], b[0], b[1]);
                multiply(state[mt][pair * 2 + 1], a[mt], b[2], b[3]);
            }
        }
    }

    // dv takes the place of the warp's own columns of dh, which no other warp reads, and leaves from there by rows.
    constexpr int ROWS = 16 / MT;
    const int column = at.warp * 2 * MT + at.lane % (2 * MT);
    __syncwarp();
#pragma unroll
    for (int e = 0; e < TOKENS / 8 * MT * 2; ++e) {
        const int tile = e / (MT * 2), mt = e / 2 % MT, below = e % 2;
        const unsigned place = unit_of<VALUES>(stage + L::D, tile * 8 + at.group, (at.warp * MT + mt) * 2 + below) + at.quad * 4;
        store_word(place, transposed(packed(sum[mt][tile][below * 2], sum[mt][tile][below * 2 + 1])));
    }
    __syncwarp();
#pragma unroll
    for (int pass = 0; pass < TOKENS / ROWS; ++pass) {
        const int token = pass * ROWS + at.lane / (2 * MT);
        unsigned word[4];
        load_words(word, unit_of<VALUES>(stage + L::D, token, column));
        if (token < valid && column * 8 < x.dv) {
            unsigned short* const to = (unsigned short*)dv_out + (x.row + first + token) * dv + column * 8;
            asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]) : "memory");
        }
    }
}
