// As states.metal, by matrices of 8 x 8: a group of four SIMD groups has a tile of 64 x 64 elements of C, each of them 16 rows of it. A lane holds two neighbours of a
// row of each matrix; tokens come in steps of 32, keys with their weights and by columns.
constexpr uint STEP = 32, KEYS_PITCH = STEP + 4, VALUES_PITCH = 64 + 4;
const uint t = thread_index_in_threadgroup, lane = thread_index_in_simdgroup, own = simdgroup_index_in_threadgroup * 16;
const uint row = lane / 16 * 4 + lane / 2 % 4, column = lane / 8 % 2 * 4 + lane % 2 * 2;  // where the first of them lies
const uint across = threadgroup_position_in_grid.x % tiles_v;
const uint down = threadgroup_position_in_grid.x / tiles_v % tiles_k;
const ulong head = threadgroup_position_in_grid.x / (tiles_v * tiles_k);
const uint top = down * 64, left = across * 64;
const device float2* c_row = (const device float2*)c + head * s;
const device float2* mu_row = (const device float2*)mu + head * (ulong(s) + 1);
const bool sums_keys = across == 0 && t < 64 && top + t < dk;

threadgroup float keys[64 * KEYS_PITCH];
threadgroup float values[STEP * VALUES_PITCH];

simdgroup_matrix<float, 8, 8> state[2][8];
float n_state = 0.0f;
#pragma unroll
for (uint y = 0; y < 2; ++y) {
#pragma unroll
    for (uint x = 0; x < 8; ++x) {
#pragma unroll
        for (uint e = 0; e < 2; ++e) {
            const uint key = top + own + 8 * y + row, value = left + 8 * x + column + e;
            const bool there = resume && key < dk && value < dv;
            state[y][x].thread_elements()[e] = there ? c_first[(head * dk + key) * dv + value] : 0.0f;
        }
    }
}
if (resume_n && sums_keys) n_state = n_first[head * dk + top + t];

for (uint index = 0; index <= chunks; ++index) {
    const bool last = index == chunks;
    const uint here = reverse ? chunks - 1 - index : index;
    device float* c_out = last ? c_last + head * dk * dv : c_states + (head * chunks + here) * dk * dv;
    device float* n_out = last ? n_last + head * dk : n_states + (head * chunks + here) * dk;
#pragma unroll
    for (uint y = 0; y < 2; ++y) {
#pragma unroll
        for (uint x = 0; x < 8; ++x) {
#pragma unroll
            for (uint e = 0; e < 2; ++e) {
                const uint key = top + own + 8 * y + row, value = left + 8 * x + column + e;
                if (key < dk && value < dv) c_out[ulong(key) * dv + value] = state[y][x].thread_elements()[e];
            }
        }
    }
    if (sums_keys) n_out[top + t] = n_state;
    if (last) break;
    const uint first = here * chunk, end = min(first + chunk, s);
    const float2 low = mu_row[first], high = mu_row[end];
    const float keep = exp(twofold_difference(low, high));
#pragma unroll
    for (uint y = 0; y < 2; ++y) {
#pragma unroll
        for (uint x = 0; x < 8; ++x) {
#pragma unroll
            for (uint e = 0; e < 2; ++e) state[y][x].thread_elements()[e] *= keep;
        }
    }
    n_state *= keep;
    for (uint start = first; start < end; start += STEP) {
        for (uint at = t; at < STEP * 64; at += 128) {
            const uint step = at / 64, place = at % 64, token = start + step;
            const bool there = token < end;
            float weight = 0.0f;
            if (there && reverse) weight = scale * exp(twofold_difference(low, mu_row[token + 1]));
            if (there && !reverse) weight = exp(twofold_difference(c_row[token], high));
            const ulong of_token = head * s + token;
            keys[place * KEYS_PITCH + step] = there && top + place < dk ? weight * float(k[of_token * dk + top + place]) : 0.0f;
            values[step * VALUES_PITCH + place] = there && left + place < dv ? float(v[of_token * dv + left + place]) : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's tokens are there
#pragma unroll
        for (uint term = 0; term < STEP; term += 8) {
            simdgroup_matrix<float, 8, 8> a[2], b;
#pragma unroll
            for (uint y = 0; y < 2; ++y) simdgroup_load(a[y], keys + (own + 8 * y) * KEYS_PITCH + term, KEYS_PITCH);
#pragma unroll
            for (uint x = 0; x < 8; ++x) {
                simdgroup_load(b, values + term * VALUES_PITCH + 8 * x, VALUES_PITCH);
#pragma unroll
                for (uint y = 0; y < 2; ++y) simdgroup_multiply_accumulate(state[y][x], a[y], b, state[y][x]);
            }
        }
        for (uint step = 0; sums_keys && step < STEP; ++step) n_state += keys[t * KEYS_PITCH + step];
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
}
