// What a tile of a row adds to it. One SIMD group a tile; a lane has the tokens 128 j + 4 lane + c of its tile, which are also a group of
// tokens whose largest key is kept.
const uint lane = thread_index_in_simdgroup;
const uint tile = threadgroup_position_in_grid.x * (threads_per_threadgroup.x / 32) + simdgroup_index_in_threadgroup;
const uint row = threadgroup_position_in_grid.y;
if (tile >= tiles) return;
const device T* logits = x + size_t(row) * n + size_t(tile) * TILE;
const uint count = min(TILE, n - tile * TILE);

float z[32];  // in registers, so every loop over it is unrolled
if (VECTORS && count == TILE) {
    vec<T, 4> four[8];  // all are on their way before the first is needed
#pragma unroll
    for (uint j = 0; j < 8; ++j) four[j] = ((const device vec<T, 4>*)logits)[32 * j + lane];
#pragma unroll
    for (uint j = 0; j < 8; ++j) {
        z[4 * j] = float(four[j].x);
        z[4 * j + 1] = float(four[j].y);
        z[4 * j + 2] = float(four[j].z);
        z[4 * j + 3] = float(four[j].w);
    }
} else {
#pragma unroll
    for (uint j = 0; j < 8; ++j) {
#pragma unroll
        for (uint c = 0; c < 4; ++c) {
            const uint at = 128 * j + 4 * lane + c;
            z[4 * j + c] = at < count ? float(logits[at]) : -INFINITY;
        }
    }
}
float best = -INFINITY;
bool wrong = false;
#pragma unroll
for (uint i = 0; i < 32; ++i) {
    wrong = wrong || z[i] != z[i];
    best = z[i] > best ? z[i] : best;
}
const uint mine = wrong ? 0xffffffffu : key_of(best);
groups[(size_t(row) * tiles + tile) * 32 + lane] = mine;
const uint top = simd_max(mine);
const size_t at = size_t(row) * tiles + tile;
if (lane == 0) {
    // What this tile has none of.
    tops[at] = top;
    sums[2 * at] = sums[2 * at + 1] = 0.0f;
    moments[3 * at] = moments[3 * at + 1] = moments[3 * at + 2] = 0;
}
if (top == 0 || top >= 0xff800000u) return;  // nothing to draw, or a row that will be refused

const float largest = value_of(top);
const Row settings = row_of(parameters + size_t(row) * WORDS, step);
const float log2e = 1.442695f, coolest = -69.0f;
float cold[4] = {0.0f, 0.0f, 0.0f, 0.0f};
if (settings.has(COLD_TOTAL)) {
#pragma unroll
    for (uint i = 0; i < 32; ++i) cold[i % 4] = cold[i % 4] + power_of(z[i] - largest, log2e, coolest).weight;
} else {
    // For log-probabilities alone: nothing is decided by it.
#pragma unroll
    for (uint i = 0; i < 32; ++i) cold[i % 4] += fast::exp2((z[i] - largest) * log2e);
}
float sum = (cold[0] + cold[1]) + (cold[2] + cold[3]);
for (ushort mask = 16; mask > 0; mask /= 2) sum = sum + simd_shuffle_xor(sum, mask);
if (lane == 0) sums[2 * at] = sum;

if (settings.has(WARM_TOTAL)) {
    float warm[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
    for (uint i = 0; i < 32; ++i) warm[i % 4] = warm[i % 4] + power_of(z[i] - largest, settings.scale, settings.limit).weight;
    sum = (warm[0] + warm[1]) + (warm[2] + warm[3]);
    for (ushort mask = 16; mask > 0; mask /= 2) sum = sum + simd_shuffle_xor(sum, mask);
}
if (lane == 0) sums[2 * at + 1] = sum;

if (settings.has(DEVIATION)) {
    // How many, and the sums of their distances from the largest and of those squared, in steps.
    uint some = 0, steps = 0;
    ulong squares = 0;
#pragma unroll
    for (uint i = 0; i < 32; ++i) {
        const uint q = z[i] > -INFINITY ? steps_of(largest - z[i]) : 0;
        some += z[i] > -INFINITY ? 1 : 0;
        steps += q;
        squares += ulong(q) * q;
    }
    some = simd_sum(some);
    steps = simd_sum(steps);
    for (ushort mask = 16; mask > 0; mask /= 2) {
        const uint2 words = as_type<uint2>(squares);
        squares += as_type<ulong>(uint2(simd_shuffle_xor(words.x, mask), simd_shuffle_xor(words.y, mask)));
    }
    if (lane == 0) {
        moments[3 * at] = some;
        moments[3 * at + 1] = steps;
        moments[3 * at + 2] = squares;
    }
}
