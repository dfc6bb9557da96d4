// All threads follow the chain, which is short; then they race for the token after it.
const uint lane = thread_position_in_threadgroup.x, lanes = threads_per_threadgroup.x;
const ulong row = threadgroup_position_in_grid.x;
const device int* own = draft + row * k;
const device float* q_rows = q + row * k * v;
const device float* p_rows = p + row * (k + 1) * v;
const ulong seed = ulong(seeds[row]) ^ 0x5bd1e9957b7d159cul;  // another stream than the sampler's
const ulong position = ulong(positions[row]);
threadgroup ulong parts[32];

uint i = 0;
while (i < k && own[i] >= 0 && uint(own[i]) < v) {
    const ulong at = ulong(i) * v + uint(own[i]);
    // 24 bits, so that it is exact and below 1.
    const float u = float(bits_of(keys_of(seed, position + i), NOBODY) >> 8) * 5.9604645e-8f;
    if (!(p_rows[at] >= q_rows[at] || u * q_rows[at] < p_rows[at])) break;
    ++i;
}
const bool rejected = i < k && own[i] >= 0 && uint(own[i]) < v;
const ulong keys = keys_of(seed, position + i);
ulong best = lap(INFINITY, NOBODY);
// Over what the draft had too little of; then, where that is nothing, over all.
for (uint all = rejected ? 0u : 1u; all < 2 && uint(best) == NOBODY; ++all) {
    ulong mine = lap(INFINITY, NOBODY);
    for (uint token = lane; token < v; token += lanes) {
        const ulong at = ulong(i) * v + token;
        const float weight = all == 0 ? p_rows[at] - q_rows[at] : p_rows[at];
        if (weight > 0.0f && weight < INFINITY) mine = earlier(mine, lap(exponential_of(bits_of(keys, token)) / weight, token));
    }
    best = first_of(mine, parts, lane, lanes);
}
for (uint at = lane; at <= k; at += lanes) {
    tokens[row * (k + 1) + at] = at < i ? own[at] : at == i ? int(uint(best)) : -1;
}
if (lane == 0) accepted[row] = int(i);
