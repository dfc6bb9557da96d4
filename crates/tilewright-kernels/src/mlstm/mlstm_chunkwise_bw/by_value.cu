// One group for a segment of a sequence, from dC at its end. Warps own rows of dCᵀ [values x keys]. One barrier a chunk: its data are there.
using L = ReverseLayout<VALUES, false>;
constexpr int MT = VALUES / 128, TILES = KEYS / 8, PITCH = VALUES + 4;
static_assert(KEYS * PITCH * 4 <= 2 * L::STAGE, "dC fits the stages");
memory += -shared_address(memory) % 1024;
const unsigned base = shared_address(memory);

// In shared memory, since registers are for dC.
__shared__ Sequence x;
if (threadIdx.x == 0) {
    const long head = threadgroup_position_in_grid.x / segments, row = head * s;
    x.q = (const unsigned short*)q + row * dk;
    x.k = (const unsigned short*)k + row * dk;
    x.v = nullptr;
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

const long part = threadgroup_position_in_grid.x;
const int begin = int(part % segments) * int(span), end = min(begin + int(span), x.tokens);
// The warp's first value of the 16 of its tile mt, and of its units.
const auto value_of = [](int warp, int mt) { return (warp / 4 * MT + mt) * 64 + warp % 4 * 16; };

// dC comes through the stages, whose rows are keys. A thread's first element of it there; quads stand in other banks.
float state[MT][TILES][4];
{
    const Place at;
    const float* const entries = (const float*)memory + at.quad * 2 * PITCH + at.group;
    if (resume) {
        for (int e = at.t; e < KEYS * (VALUES / 4); e += THREADS) {
            const int key = e / (VALUES / 4), value = e % (VALUES / 4) * 4;
            const bool there = key < x.dk && value < x.dv;
            copy_async<16>(base + (key * PITCH + value) * 4, dc_last + (part * dk + (there ? key : 0)) * dv + (there ? value : 0), there);
        }
        asm volatile("cp.async.wait_all;" ::: "memory");
        __syncthreads();  // dC is there
    }
#pragma unroll
    for (int e = 0; e < MT * TILES * 4; ++e) {
        const int mt = e / (TILES * 4), tile = e / 4 % TILES;
        state[mt][tile][e % 4] = resume ? entries[(tile * 8 + e % 2) * PITCH + value_of(at.warp, mt) + e % 4 / 2 * 8] : 0.0f;
    }
    __syncthreads();  // it has been read
}

const int final = (end - 1) / TOKENS * TOKENS;
fetch_reverse<VALUES, false, true>(x, final, base);
for (int first = final, parity = 0; first >= begin; first -= TOKENS, parity ^= 1) {
    const int valid = min(TOKENS, x.tokens - first);
    const unsigned stage = base + parity * L::STAGE;
    const unsigned char* const here = memory + parity * L::STAGE;
    const float* const last = (const float*)(here + L::W);
    const float* const numerator = last + TOKENS;
    const float* const keep_of = numerator + 2 * TOKENS;
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    publish();
    __syncthreads();  // the chunk is there, and everything of the one after it has been read
    const Place at;
    // dCᵀ k: rows of values, 64 tokens.
    float sum[MT][TOKENS / 8][4];
#pragma unroll
    for (int mt = 0; mt < MT; ++mt) {
        const auto prepare = [&] {
            if (mt == 0 && first > begin) fetch_reverse<VALUES, false, true>(x, first - TOKENS, base + (parity ^ 1) * L::STAGE);
        };
        read_state<KEYS, 2>(sum[mt], state[mt], stage + L::K, at, [] {}, prepare, [] {});
    }

#pragma unroll
    for (int tile = 0; tile < TOKENS / 8; ++tile) {
        const float2 weight = *(const float2*)(last + tile * 8 + at.quad * 2);
#pragma unroll
        for (int e = 0; e < MT * 4; ++e) sum[e / 4][tile][e % 4] *= e % 2 ? weight.y : weight.x;
    }
    const float keep = keep_of[0];
#pragma unroll
    for (int e = 0; e < MT * TILES * 4; ++e) state[e / (TILES * 4)][e / 4 % TILES][e % 4] *= keep;
#pragma unroll
    for (int mt = 0; mt < MT; ++mt) {
        unsigned gradients[4][4], weighed[4][4];
#pragma unroll
        for (int step = 0; step < TOKENS / 16; ++step) {
            load_own(gradients[step], stage + L::D, step, value_of(at.warp, mt) / 8, at);
            weigh_columns(weighed[step], gradients[step], numerator, step, at);
        }
        read_and_add<true, true, KEYS>(sum[mt], state[mt], gradients, weighed, stage + L::P, stage + L::Q, at, [] {});
    }

    // dv takes the place of the warp's own columns of dh, which no other warp reads, and leaves from there by rows.
    constexpr int ROWS = 16 / MT;
    const int column = value_of(at.warp, at.lane / 2 % MT) / 8 + at.lane % 2;
    __syncwarp();
#pragma unroll
    for (int e = 0; e < TOKENS / 16 * MT; ++e) {
        const int pair = e / MT, mt = e % MT;
        store_products(unit_of(stage + L::D, pair * 16 + at.row_right, value_of(at.warp, mt) / 8 + at.unit_right), sum[mt], pair);
    }
    __syncwarp();
#pragma unroll
    for (int pass = 0; pass < TOKENS / ROWS; ++pass) {
        const int token = pass * ROWS + at.lane / (2 * MT);
        unsigned word[4];
        load_words(word, unit_of(stage + L::D, token, column));
        if (token < valid && column * 8 < x.dv) {
            unsigned short* const to = (unsigned short*)dv_out + (x.row + first + token) * dv + column * 8;
            asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]) : "memory");
        }
    }
}
