// What TILE queries of one chunk read, by TILE values: of the state that enters the chunk, and of the chunk's own keys, 32 at a time up to the diagonal.
// In reverse the keys are those from the diagonal to the chunk's end; weights are the same, exp(c - mu), with c the query's and mu the key's; keys carry the scale.
// Thread (ty, tx) has rows 4 ty .. 4 ty + 3, and of them columns 4 tx .. of h and 2 tx .. of the scores; in a tile of 32 also the scores, and the share of z, that thread
// tx + 8 has in one of 64. So every sum is made in the same order whatever the tile.
constexpr uint SIDE = TILE, LANES = SIDE / 4, THREADS = LANES * LANES, SHARES = 16 / LANES;
const uint t = thread_position_in_threadgroup.x, ty = t / LANES, tx = t % LANES;
const uint across = threadgroup_position_in_grid.x % tiles_v;
const uint block = threadgroup_position_in_grid.x / tiles_v % blocks;
const uint index = threadgroup_position_in_grid.x / (tiles_v * blocks) % chunks;
const ulong head = threadgroup_position_in_grid.x / (tiles_v * blocks * chunks);
const uint first = index * chunk, end = min(first + chunk, s), left = across * SIDE;
const uint top = first + block * SIDE, bottom = min(top + SIDE, end);
if (top >= end) return;  // the whole group
const Cell cell = {sigmoid_gate, normalize, eps, cap};
const device TQ* q_rows = q + head * s * dk;
const device TK* k_rows = k + head * s * dk;
const device TV* v_rows = v + head * s * dv;
const device float2* c_row = (const device float2*)c + head * s;
const device float2* mu_row = (const device float2*)mu + head * (ulong(s) + 1);

// Queries and keys lie by columns, one float apart from a power of two, so that storing them down a column meets all banks.
threadgroup float queries[32][SIDE + 1];
threadgroup float keys[32][33];
threadgroup float scores[SIDE][33];
threadgroup float values[32][SIDE];  // or rows of C

float sum[4][4], z[4][SHARES];
float2 own[4];
const float query_scale = reverse ? 1.0f : scale, key_scale = reverse ? scale : 1.0f;
for (uint y = 0; y < 4; ++y) {
    for (uint share = 0; share < SHARES; ++share) z[y][share] = 0.0f;
    for (uint x = 0; x < 4; ++x) sum[y][x] = 0.0f;
    const uint token = min(top + ty * 4 + y, end - 1);
    own[y] = reverse ? c_row[token] : mu_row[token + 1];
}

if (index != (reverse ? chunks - 1 : 0) || resume) {
    const device float* state = c_states + (head * chunks + index) * dk * dv;
    const device float* n_state = n_states + (head * chunks + index) * dk;
    for (uint depth = 0; depth < dk; depth += 32) {
        for (uint at = t; at < 32 * SIDE; at += THREADS) {
            const uint row = top + at / 32, column = depth + at % 32;
            queries[at % 32][at / 32] = row < bottom && column < dk ? query_scale * float(q_rows[ulong(row) * dk + column]) : 0.0f;
            const uint key = depth + at / SIDE, value = left + at % SIDE;
            values[at / SIDE][at % SIDE] = key < dk && value < dv ? state[ulong(key) * dv + value] : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's columns of q and rows of C are there
        for (uint d = 0; d < 32; ++d) {
            for (uint y = 0; y < 4; ++y) {
                for (uint x = 0; x < 4; ++x) sum[y][x] += queries[d][ty * 4 + y] * values[d][tx * 4 + x];
            }
        }
        for (uint share = 0; share < SHARES; ++share) {
            for (uint d = tx + LANES * share; d < 32 && depth + d < dk; d += 16) {
                for (uint y = 0; y < 4; ++y) z[y][share] += queries[d][ty * 4 + y] * n_state[depth + d];
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
    for (uint y = 0; y < 4; ++y) {
        const float kept = exp(reverse ? twofold_difference(own[y], mu_row[end]) : twofold_difference(mu_row[first], own[y]));
        for (uint share = 0; share < SHARES; ++share) z[y][share] *= kept;
        for (uint x = 0; x < 4; ++x) sum[y][x] *= kept;
    }
}

const uint stop = reverse ? end : bottom;
for (uint start = reverse ? top : first; start < stop; start += 32) {
    float score[4][2 * SHARES];
    for (uint y = 0; y < 4; ++y) {
        for (uint x = 0; x < 2 * SHARES; ++x) score[y][x] = 0.0f;
    }
    for (uint depth = 0; depth < dk; depth += 32) {
        for (uint at = t; at < 32 * SIDE; at += THREADS) {
            const uint row = top + at / 32, column = depth + at % 32;
            queries[at % 32][at / 32] = row < bottom && column < dk ? query_scale * float(q_rows[ulong(row) * dk + column]) : 0.0f;
        }
        for (uint at = t; at < 32 * 32; at += THREADS) {
            const uint row = start + at / 32, column = depth + at % 32;
            keys[at % 32][at / 32] = row < stop && column < dk ? key_scale * float(k_rows[ulong(row) * dk + column]) : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's columns of q and k are there
        for (uint d = 0; d < 32; ++d) {
            for (uint y = 0; y < 4; ++y) {
                for (uint x = 0; x < 2 * SHARES; ++x) score[y][x] += queries[d][ty * 4 + y] * keys[d][(tx + LANES * (x / 2)) * 2 + x % 2];
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
    for (uint x = 0; x < 2 * SHARES; ++x) {
        const uint column = (tx + LANES * (x / 2)) * 2 + x % 2, key = start + column;
        float2 other = float2(0.0f, 0.0f);
        if (key < stop) other = reverse ? mu_row[key + 1] : c_row[key];
        for (uint y = 0; y < 4; ++y) {
            // Chosen, not multiplied by 0: beyond the diagonal a weight may be infinite.
            const uint query = top + ty * 4 + y;
            const bool seen = key < stop && (reverse ? key >= query : key <= query);
            const float weight = seen ? exp(reverse ? twofold_difference(own[y], other) : twofold_difference(other, own[y])) : 0.0f;
            score[y][x] = seen ? score[y][x] * weight : 0.0f;
            z[y][x / 2] += score[y][x];
            scores[ty * 4 + y][column] = score[y][x];
        }
    }
    for (uint at = t; at < 32 * SIDE; at += THREADS) {
        const uint row = start + at / SIDE, column = left + at % SIDE;
        values[at / SIDE][at % SIDE] = row < stop && column < dv ? float(v_rows[ulong(row) * dv + column]) : 0.0f;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // scores and values are there
    for (uint row = 0; row < 32; ++row) {
        for (uint y = 0; y < 4; ++y) {
            for (uint x = 0; x < 4; ++x) sum[y][x] += scores[ty * 4 + y][row] * values[row][tx * 4 + x];
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
}

for (uint y = 0; y < 4; ++y) {
    // Over the threads of a row, 16 or 8 neighbours in a SIMD group.
    float reads = z[y][0];
    for (uint share = 1; share < SHARES; ++share) reads += z[y][share];
    for (ushort distance = ushort(LANES / 2); distance > 0; distance /= 2) reads += simd_shuffle_xor(reads, distance);
    const uint token = top + ty * 4 + y;
    if (token >= bottom) continue;
    const ulong place = head * s + token;
    if (across == 0 && tx == 0) z_out[place] = reads;
    const float factor = read ? readout(cell, reads, m[place]) : 1.0f;
    for (uint x = 0; x < 4; ++x) {
        const uint column = left + tx * 4 + x;
        if (column >= dv) continue;
        float result = sum[y][x] * factor;
        if (gated) result *= sigmoid(float(o[place * dv + column]));
        h[place * dv + column] = TO(result);
    }
}
