// A tile of TILE x TILE elements of C, 4 x 4 a thread, in registers from chunk to chunk; as it enters a chunk it is stored with it. Tokens come in steps of 32, through
// threadgroup memory. The groups of the first columns do the same for n. In reverse the chunks come from the last to the first, a token t's weight is
// exp(-mu_t), and keys carry the scale.
constexpr uint SIDE = TILE, LANES = SIDE / 4, THREADS = LANES * LANES;
const uint t = thread_position_in_threadgroup.x, ty = t / LANES, tx = t % LANES;
const uint across = threadgroup_position_in_grid.x % tiles_v;
const uint down = threadgroup_position_in_grid.x / tiles_v % tiles_k;
const ulong head = threadgroup_position_in_grid.x / (tiles_v * tiles_k);
const uint top = down * SIDE, left = across * SIDE;
const device float2* c_row = (const device float2*)c + head * s;
const device float2* mu_row = (const device float2*)mu + head * (ulong(s) + 1);
const bool sums_keys = across == 0 && t < SIDE && top + t < dk;

threadgroup float keys[32][SIDE];
threadgroup float values[32][SIDE];

float state[4][4], n_state = 0.0f;
for (uint y = 0; y < 4; ++y) {
    for (uint x = 0; x < 4; ++x) {
        const uint row = top + ty * 4 + y, column = left + tx * 4 + x;
        const bool there = resume && row < dk && column < dv;
        state[y][x] = there ? c_first[(head * dk + row) * dv + column] : 0.0f;
    }
}
if (resume_n && sums_keys) n_state = n_first[head * dk + top + t];

for (uint index = 0; index <= chunks; ++index) {
    const bool last = index == chunks;
    const uint here = reverse ? chunks - 1 - index : index;
    device float* c_out = last ? c_last + head * dk * dv : c_states + (head * chunks + here) * dk * dv;
    device float* n_out = last ? n_last + head * dk : n_states + (head * chunks + here) * dk;
    for (uint y = 0; y < 4; ++y) {
        for (uint x = 0; x < 4; ++x) {
            const uint row = top + ty * 4 + y, column = left + tx * 4 + x;
            if (row < dk && column < dv) c_out[ulong(row) * dv + column] = state[y][x];
        }
    }
    if (sums_keys) n_out[top + t] = n_state;
    if (last) break;
    const uint first = here * chunk, end = min(first + chunk, s);
    const float2 low = mu_row[first], high = mu_row[end];
    const float keep = exp(twofold_difference(low, high));
    for (uint y = 0; y < 4; ++y) {
        for (uint x = 0; x < 4; ++x) state[y][x] *= keep;
    }
    n_state *= keep;
    for (uint start = first; start < end; start += 32) {
        for (uint at = t; at < 32 * SIDE; at += THREADS) {
            const uint row = at / SIDE, column = at % SIDE, token = start + row;
            const bool there = token < end;
            float weight = 0.0f;
            if (there && reverse) weight = scale * exp(twofold_difference(low, mu_row[token + 1]));
            if (there && !reverse) weight = exp(twofold_difference(c_row[token], high));
            const ulong place = head * s + token;
            keys[row][column] = there && top + column < dk ? weight * float(k[place * dk + top + column]) : 0.0f;
            values[row][column] = there && left + column < dv ? float(v[place * dv + left + column]) : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the step's tokens are there
        for (uint row = 0; row < 32; ++row) {
            for (uint y = 0; y < 4; ++y) {
                for (uint x = 0; x < 4; ++x) state[y][x] += keys[row][ty * 4 + y] * values[row][tx * 4 + x];
            }
            if (sums_keys) n_state += keys[row][t];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and have been read
    }
}
