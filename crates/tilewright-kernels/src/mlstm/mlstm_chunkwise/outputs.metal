// h of 64 tokens of one chunk by 64 values: what the state before the chunk gives, and what the chunk's own keys give, 32 at a time up to the diagonal.
// Thread (ty, tx) has rows 4 ty .. 4 ty + 3, and of them columns 4 tx .. of h and 2 tx .. of the scores.
const uint t = thread_position_in_threadgroup.x, ty = t / 16, tx = t % 16;
const uint across = threadgroup_position_in_grid.x % tiles_v;
const uint block = threadgroup_position_in_grid.x / tiles_v % blocks;
const uint index = threadgroup_position_in_grid.x / (tiles_v * blocks) % chunks;
const ulong head = threadgroup_position_in_grid.x / (tiles_v * blocks * chunks);
const uint first = index * chunk, end = min(first + chunk, s), left = across * 64;
const uint top = first + block * 64, bottom = min(top + 64, end);
if (top >= end) return;  // the whole group
const Cell cell = {sigmoid_gate, normalize, eps, cap};
const device T* q_rows = q + head * s * dqk;
const device T* k_rows = k + head * s * dqk;
const device T* v_rows = v + head * s * dv;
const device float2* c_row = (const device float2*)c + head * s;
const device float2* mu_row = (const device float2*)mu + head * (ulong(s) + 1);

// Queries and keys lie by columns, one float apart from a power of two, so that storing them down a column meets all banks.
threadgroup float queries[32][65];
threadgroup float keys[32][33];
threadgroup float scores[64][33];
threadgroup float values[32][64];  // or rows of C

float sum[4][4], z[4];
float2 peaks[4];
for (uint y = 0; y < 4; ++y) {
    z[y] = 0.0f;
    for (uint x = 0; x < 4; ++x) sum[y][x] = 0.0f;
    peaks[y] = mu_row[min(top + ty * 4 + y, end - 1) + 1];
}

if (index > 0 || resume) {
    const device float* state = c_states + (head * chunks + index) * dqk * dv;
    const device float* n_state = n_states + (head * chunks + index) * dqk;
    for (uint depth = 0; depth < dqk; depth += 32) {
        for (uint at = t; at < 32 * 64; at += 256) {
            const uint row = top + at / 32, column = depth + at % 32;
            queries[at % 32][at / 32] = row < bottom && column < dqk ? scale * float(q_rows[ulong(row) * dqk + column]) : 0.0f;
            const uint key = depth + at / 64, value = left + at % 64;
            values[at / 64][at % 64] = key < dqk && value < dv ? state[ulong(key) * dv + value] : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's columns of q and rows of C are there
        for (uint d = 0; d < 32; ++d) {
            for (uint y = 0; y < 4; ++y) {
                for (uint x = 0; x < 4; ++x) sum[y][x] += queries[d][ty * 4 + y] * values[d][tx * 4 + x];
            }
        }
        for (uint d = tx; d < 32 && depth + d < dqk; d += 16) {
            for (uint y = 0; y < 4; ++y) z[y] += queries[d][ty * 4 + y] * n_state[depth + d];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
    for (uint y = 0; y < 4; ++y) {
        const float kept = exp(twofold_difference(mu_row[first], peaks[y]));
        z[y] *= kept;
        for (uint x = 0; x < 4; ++x) sum[y][x] *= kept;
    }
}

for (uint start = first; start < bottom; start += 32) {
    float score[4][2];
    for (uint y = 0; y < 4; ++y) score[y][0] = score[y][1] = 0.0f;
    for (uint depth = 0; depth < dqk; depth += 32) {
        for (uint at = t; at < 32 * 64; at += 256) {
            const uint row = top + at / 32, column = depth + at % 32;
            queries[at % 32][at / 32] = row < bottom && column < dqk ? scale * float(q_rows[ulong(row) * dqk + column]) : 0.0f;
        }
        for (uint at = t; at < 32 * 32; at += 256) {
            const uint row = start + at / 32, column = depth + at % 32;
            keys[at % 32][at / 32] = row < bottom && column < dqk ? float(k_rows[ulong(row) * dqk + column]) : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's columns of q and k are there
        for (uint d = 0; d < 32; ++d) {
            for (uint y = 0; y < 4; ++y) {
                for (uint x = 0; x < 2; ++x) score[y][x] += queries[d][ty * 4 + y] * keys[d][tx * 2 + x];
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
    for (uint x = 0; x < 2; ++x) {
        const uint key = start + tx * 2 + x;
        const float2 logit = key < bottom ? c_row[key] : float2(-INFINITY, 0.0f);
        for (uint y = 0; y < 4; ++y) {
            // Chosen, not multiplied by 0: a later key's weight may be infinite.
            const float weight = key <= top + ty * 4 + y ? exp(twofold_difference(logit, peaks[y])) : 0.0f;
            score[y][x] = key <= top + ty * 4 + y ? score[y][x] * weight : 0.0f;
            z[y] += score[y][x];
            scores[ty * 4 + y][tx * 2 + x] = score[y][x];
        }
    }
    for (uint at = t; at < 32 * 64; at += 256) {
        const uint row = start + at / 64, column = left + at % 64;
        values[at / 64][at % 64] = row < bottom && column < dv ? float(v_rows[ulong(row) * dv + column]) : 0.0f;
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
    // Over the 16 threads of a row, which lie in one half of a SIMD group.
    for (ushort distance = 8; distance > 0; distance /= 2) z[y] += simd_shuffle_xor(z[y], distance);
    const uint token = top + ty * 4 + y;
    if (token >= bottom) continue;
    const ulong place = head * s + token;
    const float factor = readout(cell, z[y], m[place]);
    for (uint x = 0; x < 4; ++x) {
        const uint column = left + tx * 4 + x;
        if (column >= dv) continue;
        float result = sum[y][x] * factor;
        if (gated) result *= sigmoid(float(o[place * dv + column]));
        h[place * dv + column] = T(result);
    }
}
