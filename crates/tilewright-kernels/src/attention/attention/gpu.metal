// Thread (ty, tx) has queries 4 ty .. 4 ty + 3: of their scores keys 4 tx .., of their sums columns 4 tx .. of each 64.
const uint t = thread_position_in_threadgroup.x, ty = t / 16, tx = t % 16;
// The last blocks of a causal head have the most keys, and start first.
const uint block = blocks - 1 - threadgroup_position_in_grid.x % blocks;
const uint head = threadgroup_position_in_grid.x / blocks, kv_head = head / heads * (heads / group) + head % heads / group;
const uint top = block * EDGE, rows = min(EDGE, s - top);
const device T* q_rows = q + (ulong(head) * s + top) * d;
const device T* k_rows = k + ulong(kv_head) * n * d;
const device T* v_rows = v + ulong(kv_head) * n * dv;

// Columns of q, and later rows of v; columns of k, and later all weights: a key's weights lie side by side.
threadgroup float stage[STEP][PITCH];
threadgroup float weights[EDGE][PITCH];

float sum[4][4 * PARTS], best[4], total[4];
for (uint y = 0; y < 4; ++y) {
    best[y] = -INFINITY;
    total[y] = 0.0f;
    for (uint x = 0; x < 4 * PARTS; ++x) sum[y][x] = 0.0f;
}

// The place of the first query; the keys up to `stop` and from `seen` on, or among the kept ones, are those that any query of the block sees.
const int place = int(top) + int(n) - int(s);
const uint stop = causal ? uint(clamp(place + int(rows), 0, int(n))) : n;
const uint seen = window > 0 ? uint(max(place - int(window) + 1, 0)) : 0u;
for (uint start = 0; start < stop; start += EDGE) {
    if (start >= keep) start = max(start, seen / EDGE * EDGE);
    if (start >= stop) break;
    const uint keys = min(EDGE, stop - start);
    float score[4][4];
    for (uint y = 0; y < 4; ++y) {
        for (uint x = 0; x < 4; ++x) score[y][x] = 0.0f;
    }
    for (uint depth = 0; depth < d; depth += STEP) {
        load_columns(stage, q_rows, rows, d, depth, aligned, t);
        load_columns(weights, k_rows + ulong(start) * d, keys, d, depth, aligned, t);
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's columns are there
        for (uint e = 0; e < STEP; ++e) {
            const float4 a = *(const threadgroup float4*)&stage[e][4 * ty];
            const float4 b = *(const threadgroup float4*)&weights[e][4 * tx];
            for (uint y = 0; y < 4; ++y) {
                for (uint x = 0; x < 4; ++x) score[y][x] = fma(a[y], b[x], score[y][x]);
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
    for (uint y = 0; y < 4; ++y) {
        const int own = place + int(4 * ty + y);
        float largest = best[y];
        for (uint x = 0; x < 4; ++x) {
            const uint key = start + 4 * tx + x;
            const bool near = window == 0 || int(key) > own - int(window) || key < keep;
            const bool sees = key < stop && (!causal || (int(key) <= own && near));
            score[y][x] = sees ? capped(scale * score[y][x], cap) : -INFINITY;
            largest = score[y][x] > largest ? score[y][x] : largest;
        }
        // Over the 16 threads of a row, which lie in one half of a SIMD group.
        for (ushort distance = 8; distance > 0; distance /= 2) {
            const float other = simd_shuffle_xor(largest, distance);
            largest = other > largest ? other : largest;
        }
        // A row that has seen nothing yet keeps a difference of infinities away; a NaN among its scores comes through.
        const float middle = largest == -INFINITY ? 0.0f : largest;
        const float kept = best[y] == largest ? 1.0f : exp(best[y] - middle);
        best[y] = largest;
        total[y] *= kept;
        for (uint x = 0; x < 4 * PARTS; ++x) sum[y][x] *= kept;
        for (uint x = 0; x < 4; ++x) {
            score[y][x] = exp(score[y][x] - middle);
            total[y] += score[y][x];
        }
    }
    for (uint x = 0; x < 4; ++x) {
        *(threadgroup float4*)&weights[4 * tx + x][4 * ty] = float4(score[0][x], score[1][x], score[2][x], score[3][x]);
    }
    for (uint step = 0; step < keys; step += STEP) {
#pragma unroll
        for (uint part = 0; part < PARTS; ++part) {
            for (uint at = t; at < STEP * EDGE / 4; at += 256) {
                const uint row = step + at / (EDGE / 4), column = part * EDGE + at % (EDGE / 4) * 4;
                const uint there = row < keys ? left_of(dv, column) : 0u;
                *(threadgroup float4*)&stage[at / (EDGE / 4)][at % (EDGE / 4) * 4] =
                    four(v_rows + ulong(start + row) * dv + column, there, aligned);
            }
            threadgroup_barrier(mem_flags::mem_threadgroup);  // the weights and the step's values are there
            for (uint e = 0; e < STEP; ++e) {
                const float4 a = *(const threadgroup float4*)&weights[step + e][4 * ty];
                const float4 b = *(const threadgroup float4*)&stage[e][4 * tx];
                for (uint y = 0; y < 4; ++y) {
                    for (uint x = 0; x < 4; ++x) sum[y][4 * part + x] = fma(a[y], b[x], sum[y][4 * part + x]);
                }
            }
            threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
        }
    }
}

for (uint y = 0; y < 4; ++y) {
    for (ushort distance = 8; distance > 0; distance /= 2) total[y] += simd_shuffle_xor(total[y], distance);
    const uint row = 4 * ty + y;
    if (row >= rows) continue;
    const ulong at = ulong(head) * s + top + row;
    if (tx == 0) lse[at] = best[y] + log(total[y]);
    const float inverse = total[y] == 0.0f ? 0.0f : 1.0f / total[y];
#pragma unroll
    for (uint part = 0; part < PARTS; ++part) {
        for (uint x = 0; x < 4; ++x) {
            const uint column = part * EDGE + 4 * tx + x;
            if (column < dv) out[at * dv + column] = T(sum[y][4 * part + x] * inverse);
        }
    }
}
