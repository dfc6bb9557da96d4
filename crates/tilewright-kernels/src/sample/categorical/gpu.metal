// One threadgroup a row. A SIMD group a tile, whose lanes have the tokens 128 j + 4 lane + c; then two heats for each draw.
const uint thread_index = thread_position_in_threadgroup.x, threads = threads_per_threadgroup.x;
const uint lane = thread_index % 32, teams = threads / 32;
const uint row = threadgroup_position_in_grid.x, tiles = (n + TILE - 1) / TILE;
const device T* own = x + size_t(row) * n;
device float* tops = found + size_t(row) * 2 * tiles;
device float* sums = tops + tiles;
threadgroup ulong parts[32];
const float log2e = 1.442695f, coolest = -69.0f;

ulong top = ~0ul;  // the complement of the row's largest key
for (uint tile = thread_index / 32; tile < tiles; tile += teams) {
    const uint start = tile * TILE, count = min(TILE, n - start);
    uint key = 0;
    if (!PROBABILITIES) {
        for (uint j = 0; j < 8; ++j) {
            for (uint c = 0; c < 4; ++c) {
                const uint at = 128 * j + 4 * lane + c;
                if (at < count) key = max(key, key_of(float(own[start + at])));
            }
        }
        key = simd_max(key);
        top = earlier(top, ulong(~key));
    }
    const bool empty = !PROBABILITIES && (key == 0 || key >= 0xff800000u);
    const float largest = empty ? 0.0f : value_of(key);
    float columns[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint j = 0; j < 8; ++j) {
        for (uint c = 0; c < 4; ++c) {
            const uint at = 128 * j + 4 * lane + c;
            if (at >= count) {
                // What lies beyond the row weighs as minus infinity does: least, at the limit.
                if (!PROBABILITIES) columns[c] = columns[c] + power_of(-INFINITY, log2e, coolest).weight;
                continue;
            }
            const float z = float(own[start + at]);
            if (PROBABILITIES) columns[c] = columns[c] + (z >= 0.0f && z < INFINITY ? z : NAN);
            else columns[c] = columns[c] + power_of(z - largest, log2e, coolest).weight;
        }
    }
    float sum = (columns[0] + columns[1]) + (columns[2] + columns[3]);
    for (ushort mask = 16; mask > 0; mask /= 2) sum = sum + simd_shuffle_xor(sum, mask);
    if (lane == 0) {
        tops[tile] = PROBABILITIES ? 0.0f : largest;
        sums[tile] = !empty ? sum : key == 0 ? 0.0f : NAN;
    }
}
threadgroup_barrier(mem_flags::mem_device);  // all tiles are there
const uint best_key = PROBABILITIES ? 0u : ~uint(first_of(top, parts, thread_index, threads));
bool refused = !PROBABILITIES && (best_key == 0 || best_key >= 0xff800000u);
const float best = PROBABILITIES || refused ? 0.0f : value_of(best_key);
if (PROBABILITIES) {
    ulong state = 1;  // 0 where a tile is refused, else 1
    ulong any = 1;    // 0 where a tile has a weight
    for (uint tile = thread_index; tile < tiles; tile += threads) {
        if (sums[tile] != sums[tile]) state = 0;
        if (sums[tile] > 0.0f) any = 0;
    }
    refused = first_of(state, parts, thread_index, threads) == 0;
    refused = first_of(any, parts, thread_index, threads) != 0 || refused;
}
for (uint draw = 0; draw < draws; ++draw) {
    const ulong keys = keys_of(ulong(seeds[row]), ulong(positions[row]) + draw);
    ulong heat = lap(INFINITY, 0xffffffffu);
    if (!refused) {
        for (uint tile = thread_index; tile < tiles; tile += threads) {
            if (!(sums[tile] > 0.0f)) continue;
            const float inverse = power_of(tops[tile] - best, log2e, coolest).inverse;
            heat = earlier(heat, lap(exponential_of(bits_of(keys, HEAT | tile)) * inverse / sums[tile], tile));
        }
    }
    const uint tile = uint(first_of(heat, parts, thread_index, threads));
    heat = lap(INFINITY, 0xffffffffu);
    if (!refused) {
        const uint end = min(n, (tile + 1) * TILE);
        const float largest = tops[tile];
        for (uint token = tile * TILE + thread_index; token < end; token += threads) {
            const float z = float(own[token]);
            const float deviate = exponential_of(bits_of(keys, token));
            if (PROBABILITIES) {
                if (z > 0.0f) heat = earlier(heat, lap(deviate / z, token));
            } else if (z > -INFINITY) {
                heat = earlier(heat, lap(deviate * power_of(z - largest, log2e, coolest).inverse, token));
            }
        }
    }
    const uint id = uint(first_of(heat, parts, thread_index, threads));
    if (thread_index == 0) ids[size_t(row) * draws + draw] = id;
}
