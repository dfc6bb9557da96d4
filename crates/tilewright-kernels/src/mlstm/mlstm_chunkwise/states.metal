// A tile of 64 x 64 elements of C, in registers from the first chunk to the last; before each chunk it is stored. Tokens come in steps of 32, through
// threadgroup memory. The groups of the first columns do the same for n.
const uint t = thread_position_in_threadgroup.x, ty = t / 16, tx = t % 16;
const uint across = threadgroup_position_in_grid.x % tiles_v;
const uint down = threadgroup_position_in_grid.x / tiles_v % tiles_k;
const ulong head = threadgroup_position_in_grid.x / (tiles_v * tiles_k);
const uint top = down * 64, left = across * 64;
const device float2* c_row = (const device float2*)c + head * s;
const device float2* mu_row = (const device float2*)mu + head * (ulong(s) + 1);
const bool sums_keys = across == 0 && t < 64 && top + t < dqk;

threadgroup float keys[32][64];
threadgroup float values[32][64];

float state[4][4], n_state = 0.0f;
for (uint y = 0; y < 4; ++y) {
    for (uint x = 0; x < 4; ++x) {
        const uint row = top + ty * 4 + y, column = left + tx * 4 + x;
        const bool there = resume && row < dqk && column < dv;
        state[y][x] = there ? c_first[(head * dqk + row) * dv + column] : 0.0f;
    }
}
if (resume && sums_keys) n_state = n_first[head * dqk + top + t];

for (uint index = 0; index <= chunks; ++index) {
    const bool last = index == chunks;
    device float* c_out = last ? c_last + head * dqk * dv : c_states + (head * chunks + index) * dqk * dv;
    device float* n_out = last ? n_last + head * dqk : n_states + (head * chunks + index) * dqk;
    for (uint y = 0; y < 4; ++y) {
        for (uint x = 0; x < 4; ++x) {
            const uint row = top + ty * 4 + y, column = left + tx * 4 + x;
            if (row < dqk && column < dv) c_out[ulong(row) * dv + column] = state[y][x];
        }
    }
    if (sums_keys) n_out[top + t] = n_state;
    if (last) break;
    const uint first = index * chunk, end = min(first + chunk, s);
    const float2 peak = mu_row[end];
    const float keep = exp(twofold_difference(mu_row[first], peak));
    for (uint y = 0; y < 4; ++y) {
        for (uint x = 0; x < 4; ++x) state[y][x] *= keep;
    }
    n_state *= keep;
    for (uint start = first; start < end; start += 32) {
        for (uint at = t; at < 32 * 64; at += 256) {
            const uint row = at / 64, column = at % 64, token = start + row;
            const bool there = token < end;
            const float weight = there ? exp(twofold_difference(c_row[token], peak)) : 0.0f;
            const ulong place = head * s + token;
            keys[row][column] = there && top + column < dqk ? weight * float(k[place * dqk + top + column]) : 0.0f;
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
if (down == 0 && across == 0 && t == 0) m_last[head] = s > 0 ? m[head * s + s - 1] : resume ? m_first[head] : 0.0f;
