// Each SIMD group takes 32 tokens at a time, on its own until the end. For the scores, eight lanes have a token; for the sums, a lane has
// COLUMNS columns of all tokens.
const uint t = thread_position_in_threadgroup.x, lane = thread_index_in_simdgroup, member = simdgroup_index_in_threadgroup;
const uint split = threadgroup_position_in_grid.x % splits, pass = threadgroup_position_in_grid.x / splits % passes;
const uint line = threadgroup_position_in_grid.x / (splits * passes), sequence = line / kv_heads, kv_head = line % kv_heads;
const uint group = heads / kv_heads, own = min(uint(GROUP), group - pass * GROUP);
const ulong first = ulong(sequence) * heads + kv_head * group + pass * GROUP;  // query

using Keys = Numbers<T, K_FORMAT>;
using Values = Numbers<T, V_FORMAT>;

threadgroup float queries[GROUP][WIDEST];
threadgroup float weights[MEMBERS][GROUP][32];
threadgroup float sums[GROUP][32 * COLUMNS];
threadgroup float tops[MEMBERS][GROUP], totals[MEMBERS][GROUP];

for (uint at = t; at < GROUP * d; at += MEMBERS * 32) {
    queries[at / d][at % d] = at / d < own ? float(q[first * d + at]) : 0.0f;
}
threadgroup_barrier(mem_flags::mem_threadgroup);  // the queries are there

// Tokens are counted without those between the kept ones and the window.
const uint length = uint(clamp(lengths[sequence], 0, int(entries * block)));
const uint seen = window > 0 && length > window ? length - window : 0u;
const uint kept = min(keep, seen), count = kept + (length - seen);
const uint size = (count + splits - 1) / splits, begin = min(split * size, count), end = min(begin + size, count);

float top[GROUP], total[GROUP], sum[GROUP][COLUMNS];
#pragma unroll
for (uint h = 0; h < GROUP; ++h) {
    top[h] = -INFINITY;
    total[h] = 0.0f;
#pragma unroll
    for (uint c = 0; c < COLUMNS; ++c) sum[h][c] = 0.0f;
}

for (uint from = begin + 32 * member; from < end; from += 32 * MEMBERS) {
    const uint valid = min(32u, end - from);
    uint slot = NONE;
    if (lane < valid) {
        const uint token = from + lane < kept ? from + lane : from + lane - kept + seen;
        const int number = table[ulong(sequence) * entries + token / block];
        if (number >= 0 && uint(number) < blocks) slot = uint(number) * block + token % block;
    }
    for (uint four = 0; 4 * four < valid; ++four) {
        const uint mine = simd_shuffle(slot, ushort(4 * four + lane / 8));
        const uint within = lane % 8;
        float score[GROUP];
#pragma unroll
        for (uint h = 0; h < GROUP; ++h) score[h] = 0.0f;
        if (mine != NONE) {
            const ulong row = ulong(mine) * kv_heads + kv_head;
            const device typename Keys::V* key = (const device typename Keys::V*)k + row * k_pitch;
            const device float* key_scales = (const device float*)k_scales + row * k_scale_pitch;
            if (WHOLE) {
#pragma unroll 4
                for (uint at = 4 * within; at < d; at += 32) {
                    const float4 part = Keys::four(key, key_scales, at, k_group);
#pragma unroll
                    for (uint h = 0; h < GROUP; ++h) {
                        const float4 query = *(const threadgroup float4*)&queries[h][at];
                        score[h] = fma(query.x, part.x, score[h]);
                        score[h] = fma(query.y, part.y, score[h]);
                        score[h] = fma(query.z, part.z, score[h]);
                        score[h] = fma(query.w, part.w, score[h]);
                    }
                }
            } else {
                for (uint at = within; at < d; at += 8) {
                    const float part = Keys::one(key, key_scales, at, k_group);
#pragma unroll
                    for (uint h = 0; h < GROUP; ++h) score[h] = fma(queries[h][at], part, score[h]);
                }
            }
        }
#pragma unroll
        for (uint h = 0; h < GROUP; ++h) {
            for (ushort distance = 4; distance > 0; distance /= 2) score[h] += simd_shuffle_xor(score[h], distance);
            if (within == h) weights[member][h][4 * four + lane / 8] = mine == NONE ? -INFINITY : capped(scale * score[h], cap);
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);  // the scores are there
#pragma unroll
    for (uint h = 0; h < GROUP; ++h) {
        const float score = lane < valid ? weights[member][h][lane] : -INFINITY;
        float largest = top[h] > score ? top[h] : score;
        for (ushort distance = 16; distance > 0; distance /= 2) {
            const float other = simd_shuffle_xor(largest, distance);
            largest = other > largest ? other : largest;
        }
        // Tokens of blocks that are not there have no score; a NaN among the others comes through.
        const float middle = largest == -INFINITY ? 0.0f : largest;
        const float rest = top[h] == largest ? 1.0f : exp(top[h] - middle), weight = exp(score - middle);
        top[h] = largest;
        total[h] = fma(total[h], rest, weight);  // of this lane's tokens
#pragma unroll
        for (uint c = 0; c < COLUMNS; ++c) sum[h][c] *= rest;
        weights[member][h][lane] = weight;
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);  // the weights are there
    for (uint j = 0; j < valid; j += 4) {
        float values[4][COLUMNS];
#pragma unroll
        for (uint i = 0; i < 4; ++i) {
            const uint place = simd_shuffle(slot, ushort(j + i));
#pragma unroll
            for (uint c = 0; c < COLUMNS; ++c) values[i][c] = 0.0f;
            if (place == NONE) continue;
            const ulong row = ulong(place) * kv_heads + kv_head;
            const device typename Values::V* value = (const device typename Values::V*)v + row * v_pitch;
            const device float* value_scales = (const device float*)v_scales + row * v_scale_pitch;
            if (WHOLE) {
                load<Values, COLUMNS>(value, value_scales, lane * COLUMNS, v_group, values[i]);
            } else {
#pragma unroll
                for (uint c = 0; c < COLUMNS; ++c) {
                    const uint at = lane * COLUMNS + c;
                    values[i][c] = at < dv ? Values::one(value, value_scales, at, v_group) : 0.0f;
                }
            }
        }
#pragma unroll
        for (uint h = 0; h < GROUP; ++h) {
            const float4 weight = *(const threadgroup float4*)&weights[member][h][j];
#pragma unroll
            for (uint c = 0; c < COLUMNS; ++c) {
                sum[h][c] = fma(weight.x, values[0][c], sum[h][c]);
                sum[h][c] = fma(weight.y, values[1][c], sum[h][c]);
                sum[h][c] = fma(weight.z, values[2][c], sum[h][c]);
                sum[h][c] = fma(weight.w, values[3][c], sum[h][c]);
            }
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);  // the weights have been read
}

#pragma unroll
for (uint h = 0; h < GROUP; ++h) {
    const float all = simd_sum(total[h]);
    if (lane == 0) {
        tops[member][h] = top[h];
        totals[member][h] = all;
    }
}
threadgroup_barrier(mem_flags::mem_threadgroup);  // every member's softmax is there
float factor[GROUP];
#pragma unroll
for (uint h = 0; h < GROUP; ++h) {
    float best = tops[0][h];
    for (uint other = 1; other < MEMBERS; ++other) best = tops[other][h] > best ? tops[other][h] : best;
    factor[h] = top[h] == best ? 1.0f : exp(top[h] - best);
}
for (uint turn = 0; turn < MEMBERS; ++turn) {
    if (member == turn) {
#pragma unroll
        for (uint h = 0; h < GROUP; ++h) {
#pragma unroll
            for (uint c = 0; c < COLUMNS; ++c) {
                const float before = turn == 0 ? 0.0f : sums[h][lane * COLUMNS + c];
                sums[h][lane * COLUMNS + c] = fma(factor[h], sum[h][c], before);
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // members add one after another
}
for (uint at = t; at < own * max(dv, 1u); at += MEMBERS * 32) {
    const uint h = at / max(dv, 1u), column = at % max(dv, 1u);
    float best = tops[0][h], all = 0.0f;
    for (uint other = 1; other < MEMBERS; ++other) best = tops[other][h] > best ? tops[other][h] : best;
    for (uint other = 0; other < MEMBERS; ++other) {
        all += tops[other][h] == best ? totals[other][h] : totals[other][h] * exp(tops[other][h] - best);
    }
    const ulong place = (first + h) * splits + split;
    if (column < dv) out[place * dv + column] = O(all == 0.0f ? 0.0f : sums[h][column] / all);
    if (column == 0) lse[place] = best + log(all);
}
