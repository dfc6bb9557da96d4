// As outputs.metal, by matrices of 8 x 8: a group of four SIMD groups has 64 queries by 64 values, each of them 16 queries. A lane holds two neighbours of a row of each
// matrix, so scores get their weights where they are, and are factors of the next product as they lie.
constexpr uint STEP = 32, PITCH = STEP + 4, VALUES_PITCH = 64 + 4;
const uint t = thread_index_in_threadgroup, lane = thread_index_in_simdgroup, own = simdgroup_index_in_threadgroup * 16;
const uint row = lane / 16 * 4 + lane / 2 % 4, column = lane / 8 % 2 * 4 + lane % 2 * 2;  // where the first of them lies
const uint across = threadgroup_position_in_grid.x % tiles_v;
const uint block = threadgroup_position_in_grid.x / tiles_v % blocks;
const uint index = threadgroup_position_in_grid.x / (tiles_v * blocks) % chunks;
const ulong head = threadgroup_position_in_grid.x / (tiles_v * blocks * chunks);
const uint first = index * chunk, end = min(first + chunk, s), left = across * 64;
const uint top = first + block * 64, bottom = min(top + 64, end);
if (top >= end) return;  // the whole group
const Cell cell = {sigmoid_gate, normalize, eps, cap};
const device TQ* q_rows = q + head * s * dk;
const device TK* k_rows = k + head * s * dk;
const device TV* v_rows = v + head * s * dv;
const device float2* c_row = (const device float2*)c + head * s;
const device float2* mu_row = (const device float2*)mu + head * (ulong(s) + 1);

threadgroup float queries[64 * PITCH];
threadgroup float keys[STEP * PITCH];
threadgroup float values[STEP * VALUES_PITCH];  // or rows of C

simdgroup_matrix<float, 8, 8> sum[2][8];
float z[2] = {0.0f, 0.0f};
float2 reached[2];
const float query_scale = reverse ? 1.0f : scale, key_scale = reverse ? scale : 1.0f;
#pragma unroll
for (uint y = 0; y < 2; ++y) {
#pragma unroll
    for (uint x = 0; x < 8; ++x) sum[y][x] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    const uint token = min(top + own + 8 * y + row, end - 1);
    reached[y] = reverse ? c_row[token] : mu_row[token + 1];
}

if (index != (reverse ? chunks - 1 : 0) || resume) {
    const device float* state = c_states + (head * chunks + index) * dk * dv;
    const device float* n_state = n_states + (head * chunks + index) * dk;
    for (uint depth = 0; depth < dk; depth += STEP) {
        for (uint at = t; at < STEP * 64; at += 128) {
            const uint token = top + at / STEP, place = depth + at % STEP;
            queries[at / STEP * PITCH + at % STEP] = token < bottom && place < dk ? query_scale * float(q_rows[ulong(token) * dk + place]) : 0.0f;
            const uint key = depth + at / 64, value = left + at % 64;
            values[at / 64 * VALUES_PITCH + at % 64] = key < dk && value < dv ? state[ulong(key) * dv + value] : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's columns of q and rows of C are there
#pragma unroll
        for (uint term = 0; term < STEP; term += 8) {
            simdgroup_matrix<float, 8, 8> a[2], b;
#pragma unroll
            for (uint y = 0; y < 2; ++y) {
                simdgroup_load(a[y], queries + (own + 8 * y) * PITCH + term, PITCH);
#pragma unroll
                for (uint e = 0; e < 2; ++e) {
                    const uint key = depth + term + column + e;
                    if (key < dk) z[y] += a[y].thread_elements()[e] * n_state[key];
                }
            }
#pragma unroll
            for (uint x = 0; x < 8; ++x) {
                simdgroup_load(b, values + term * VALUES_PITCH + 8 * x, VALUES_PITCH);
#pragma unroll
                for (uint y = 0; y < 2; ++y) simdgroup_multiply_accumulate(sum[y][x], a[y], b, sum[y][x]);
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
#pragma unroll
    for (uint y = 0; y < 2; ++y) {
        const float kept = exp(reverse ? twofold_difference(reached[y], mu_row[end]) : twofold_difference(mu_row[first], reached[y]));
        z[y] *= kept;
#pragma unroll
        for (uint x = 0; x < 8; ++x) {
#pragma unroll
            for (uint e = 0; e < 2; ++e) sum[y][x].thread_elements()[e] *= kept;
        }
    }
}

const uint stop = reverse ? end : bottom;
for (uint start = reverse ? top : first; start < stop; start += STEP) {
    simdgroup_matrix<float, 8, 8> score[2][4];
#pragma unroll
    for (uint y = 0; y < 2; ++y) {
#pragma unroll
        for (uint x = 0; x < 4; ++x) score[y][x] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
    for (uint depth = 0; depth < dk; depth += STEP) {
        for (uint at = t; at < STEP * 64; at += 128) {
            const uint token = top + at / STEP, place = depth + at % STEP;
            queries[at / STEP * PITCH + at % STEP] = token < bottom && place < dk ? query_scale * float(q_rows[ulong(token) * dk + place]) : 0.0f;
        }
        for (uint at = t; at < STEP * STEP; at += 128) {
            const uint token = start + at / STEP, place = depth + at % STEP;
            keys[at / STEP * PITCH + at % STEP] = token < stop && place < dk ? key_scale * float(k_rows[ulong(token) * dk + place]) : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's columns of q and k are there
#pragma unroll
        for (uint term = 0; term < STEP; term += 8) {
            simdgroup_matrix<float, 8, 8> a[2], b;
#pragma unroll
            for (uint y = 0; y < 2; ++y) simdgroup_load(a[y], queries + (own + 8 * y) * PITCH + term, PITCH);
#pragma unroll
            for (uint x = 0; x < 4; ++x) {
                simdgroup_load(b, keys + 8 * x * PITCH + term, PITCH, ulong2(0, 0), true);
#pragma unroll
                for (uint y = 0; y < 2; ++y) simdgroup_multiply_accumulate(score[y][x], a[y], b, score[y][x]);
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
    for (uint at = t; at < STEP * 64; at += 128) {
        const uint token = start + at / 64, value = left + at % 64;
        values[at / 64 * VALUES_PITCH + at % 64] = token < stop && value < dv ? float(v_rows[ulong(token) * dv + value]) : 0.0f;
    }
#pragma unroll
    for (uint x = 0; x < 4; ++x) {
#pragma unroll
        for (uint e = 0; e < 2; ++e) {
            const uint key = start + 8 * x + column + e;
            float2 other = float2(0.0f, 0.0f);
            if (key < stop) other = reverse ? mu_row[key + 1] : c_row[key];
#pragma unroll
            for (uint y = 0; y < 2; ++y) {
                // Chosen, not multiplied by 0: beyond the diagonal a weight may be infinite.
                const uint query = top + own + 8 * y + row;
                const bool seen = key < stop && (reverse ? key >= query : key <= query);
                const float weight = seen ? exp(reverse ? twofold_difference(reached[y], other) : twofold_difference(other, reached[y])) : 0.0f;
                const float weighted = seen ? score[y][x].thread_elements()[e] * weight : 0.0f;
                score[y][x].thread_elements()[e] = weighted;
                z[y] += weighted;
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the values are there
#pragma unroll
    for (uint term = 0; term < 4; ++term) {
        simdgroup_matrix<float, 8, 8> b;
#pragma unroll
        for (uint x = 0; x < 8; ++x) {
            simdgroup_load(b, values + 8 * term * VALUES_PITCH + 8 * x, VALUES_PITCH);
#pragma unroll
            for (uint y = 0; y < 2; ++y) simdgroup_multiply_accumulate(sum[y][x], score[y][term], b, sum[y][x]);
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
}

#pragma unroll
for (uint y = 0; y < 2; ++y) {
    // Over the four lanes of a row.
    z[y] += simd_shuffle_xor(z[y], ushort(1));
    z[y] += simd_shuffle_xor(z[y], ushort(8));
    const uint token = top + own + 8 * y + row;
    if (token < bottom) {
        const ulong place = head * s + token;
        if (across == 0 && column == 0) z_out[place] = z[y];
        const float factor = read ? readout(cell, z[y], m[place]) : 1.0f;
#pragma unroll
        for (uint x = 0; x < 8; ++x) {
#pragma unroll
            for (uint e = 0; e < 2; ++e) {
                const uint value = left + 8 * x + column + e;
                if (value < dv) {
                    float result = sum[y][x].thread_elements()[e] * factor;
                    if (gated) result *= sigmoid(float(o[place * dv + value]));
                    h[place * dv + value] = TO(result);
                }
            }
        }
    }
}
