// The best k of some of a query's lists. One group of threads a query and share of its lists; a warp takes 128 rows at a time, four neighbours a lane, whose codes are one word.
__shared__ Kept shared;
const unsigned query = threadgroup_position_in_grid.x % b, share = threadgroup_position_in_grid.x / b;
const unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
const unsigned first = share * each, count = min(parts - min(first, parts), each);
float* const held = memory;
unsigned *const begins = (unsigned*)(memory + m * WORDS), *const ends = begins + each;
float* const own_bases = (float*)(ends + each);
for (unsigned at = threadIdx.x * 4; at < m * WORDS; at += blockDim.x * 4) {
    *(float4*)(held + at) = *(const float4*)(tables + size_t(query) * m * WORDS + at);
}
for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
    const size_t probe = size_t(query) * parts + first + i;
    const Stretch rows = stretch_of(offsets, probes[probe], lists, n);
    begins[i] = rows.begin, ends[i] = rows.end;
    own_bases[i] = based ? bases[probe] : 0.0f;
}
if (threadIdx.x == 0) shared.filled = 0;
__syncthreads();  // tables and lists are there
unsigned long long bound = 0;
// Stretches of 128 rows from whole blocks of 64 on: this warp's next one is `stretch` of list `list`.
const auto stretches = [&](unsigned list) { return begins[list] < ends[list] ? (ends[list] - begins[list] / 64 * 64 + 127) / 128 : 0; };
unsigned list = 0, stretch = threadIdx.x / 32;
for (bool early = true;; early = false) {
    while (list < count && stretch >= stretches(list)) stretch -= stretches(list), ++list;
    if (!__syncthreads_or(list < count)) break;
    if (list < count) {
        const unsigned begin = begins[list], end = ends[list], row = begin / 64 * 64 + stretch * 128 + lane * 4;
        float sums[4] = {0, 0, 0, 0};
        if (row < end) {
            const unsigned* own = (const unsigned*)(codes + size_t(row / 64) * bytes * 64 + row % 64);
            if (WORDS == 16) {
#pragma unroll 4
                for (unsigned j = 0; j < m / 2; ++j) {
                    const unsigned word = own[j * 16];
#pragma unroll
                    for (int i = 0; i < 4; ++i) {
                        sums[i] += held[j * 32 + (word >> (8 * i) & 15)];
                        sums[i] += held[j * 32 + 16 + (word >> (8 * i + 4) & 15)];
                    }
                }
                if (m % 2) {
                    const unsigned word = own[m / 2 * 16];
#pragma unroll
                    for (int i = 0; i < 4; ++i) sums[i] += held[(m - 1) * 16 + (word >> (8 * i) & 15)];
                }
            } else {
#pragma unroll 8
                for (unsigned j = 0; j < m; ++j) {
                    const unsigned word = own[j * 16];
#pragma unroll
                    for (int i = 0; i < 4; ++i) sums[i] += held[j * 256 + (word >> (8 * i) & 255)];
                }
            }
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const unsigned at = row + i;
            if (at < begin || at >= end || (filtered && !(keep[at / 8] >> (at % 8) & 1))) continue;
            const float distance = own_bases[list] + (biased ? biases[at] : 0.0f) + (scaled ? factors[at] * sums[i] : sums[i]);
            const unsigned long long candidate = candidate_of(distance, labelled ? row_ids[at] : at);
            if (candidate > bound) shared.kept[atomicAdd(&shared.filled, 1u)] = candidate;
        }
        stretch += warps;
    }
    __syncthreads();  // this round's candidates are there
    const unsigned filled = shared.filled;
    __syncthreads();  // everyone knows how many
    if (early || filled + 4 * blockDim.x > CAPACITY) settle(filled, k, bound, shared);
}
const size_t at = (size_t(share) * b + query) * k;
give(k, distances + at, (long long*)ids + at, shared);
