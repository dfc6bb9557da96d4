// A row's token: one threadgroup a row.
const uint row = threadgroup_position_in_grid.x;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
threadgroup Shared shared;
const device uint* row_tops = tops + size_t(row) * tiles;
const device float2* row_sums = (const device float2*)sums + size_t(row) * tiles;
const device uint4* row_groups = (const device uint4*)(groups + size_t(row) * tiles * 32);
const device T* logits = x + size_t(row) * n;

// On their way together, before the first is needed: what most rows need no more of.
const uint quads = 8 * tiles;
const uint near_top = team.lane < tiles ? row_tops[team.lane] : 0;
const float2 near_sums = team.lane < tiles ? row_sums[team.lane] : float2(0.0f);
const uint4 near_groups = team.lane < quads ? row_groups[team.lane] : uint4(0);
const uint4 next_groups = team.lane + team.lanes < quads ? row_groups[team.lane + team.lanes] : uint4(0);
const Row settings = row_of(parameters + size_t(row) * WORDS, step);

if (team.lane == 0) {
    atomic_store_explicit(&shared.groups, 0u, memory_order_relaxed);
    atomic_store_explicit(&shared.filled, 0u, memory_order_relaxed);
}
ulong first = ulong(~near_top);
for (uint tile = team.lane + team.lanes; tile < tiles; tile += team.lanes) first = min(first, ulong(~row_tops[tile]));
const uint top = ~uint(team.least(first, shared));
if (top == 0 || top >= 0xff800000u) {
    if (team.lane == 0) {
        ids[row] = 0xffffffffu;
        logprobs[row] = NAN;
        if (BOUNDS) {
            for (uint word = 0; word < BOUND; ++word) bounds[row * BOUND + word] = word == 2 ? 2u : 0u;  // refused
        }
    }
    for (uint i = team.lane; i < top_n; i += team.lanes) {
        top_ids[size_t(row) * top_n + i] = 0xffffffffu;
        top_logprobs[size_t(row) * top_n + i] = NAN;
    }
    return;
}

const float largest = value_of(top), log2e = 1.442695f, coolest = -69.0f;
float deviation = 0.0f;
if (settings.has(DEVIATION)) {
    // About the mean rounded down, modulo 2^64, which the result is below. A tile's moments are of distances from its own largest.
    ulong sums[3] = {0, 0, 0};
    for (uint tile = team.lane; tile < tiles; tile += team.lanes) {
        if (row_tops[tile] == 0) continue;
        const device uint64_t* own = moments + (size_t(row) * tiles + tile) * 3;
        const ulong offset = steps_of(largest - value_of(row_tops[tile]));
        sums[0] += own[0];
        sums[1] += own[1] + own[0] * offset;
        sums[2] += own[2] + 2 * offset * own[1] + own[0] * offset * offset;
    }
    team.sums(sums, 3, shared);
    const ulong mean = sums[1] / sums[0];
    deviation = precise::sqrt(float((sums[2] - 2 * mean * sums[1] + sums[0] * mean * mean) / sums[0]));
}

// Totals of the row, and the first heat of its race: among the tiles, by their masses.
const bool chosen = settings.flags & (GREEDY | FILTERED);
ulong totals[2] = {0, 0}, race = ~0ul;
for (uint tile = team.lane; tile < tiles; tile += team.lanes) {
    const uint own = tile == team.lane ? near_top : row_tops[tile];
    if (own == 0) continue;
    const float2 sum = tile == team.lane ? near_sums : row_sums[tile];
    const float d = value_of(own) - largest;
    totals[0] += ulong(sum.x * power_of(d, log2e, coolest).weight * UNITS);
    const Power power = power_of(d, settings.scale, settings.limit);
    if (settings.has(WARM_TOTAL)) totals[1] += ulong(sum.y * power.weight * UNITS);
    if (!chosen) {
        const float time = exponential_of(bits_of(settings.keys, HEAT | tile)) * power.inverse / (settings.has(WARM_TOTAL) ? sum.y : sum.x);
        race = min(race, ulong(as_type<uint>(time)) << 32 | tile);
    }
}
team.give(totals, 2, shared);  // to be taken beyond the next barrier

// The list: at least the best `want` tokens, if there are so many and the list holds them with their equals.
const uint want = max(max(settings.want, top_n), 1u);
uint base = 1, listed = 0;
bool fits = false;
if (chosen || top_n > 0) {
    // The want-th largest of any tokens' keys is at most that of all tokens': of the largest of so many parts of each tile that a third is to spare.
    uint parts = 1;
    while (parts < 32 && 3 * parts * tiles < 4 * want) parts *= 2;
    if (parts == 16) parts = 32;
    if (parts * tiles <= LISTED) {
        for (uint begin = 0; begin < quads; begin += team.lanes) {
            const uint quad = begin + team.lane;
            const uint4 four = quad >= quads ? uint4(0) : begin == 0 ? near_groups : begin == team.lanes ? next_groups : row_groups[quad];
            if (parts == 32) {
                if (quad < quads) ((threadgroup uint4*)shared.keys)[quad] = four;
                continue;
            }
            uint best = max(max(four.x, four.y), max(four.z, four.w));
            for (ushort mask = 1; mask < 8 / parts; mask *= 2) best = max(best, simd_shuffle_xor(best, mask));
            if (quad < quads && quad % (8 / parts) == 0) shared.keys[quad / (8 / parts)] = best;
        }
        for (uint i = parts * tiles + team.lane; i < (parts * tiles + 3) / 4 * 4; i += team.lanes) shared.keys[i] = 0;
        base = team.nth(parts * tiles, want, shared);
    }
    uint found = 0;
    for (uint round = 0; round < 2; ++round) {
        for (uint begin = 0; begin < quads; begin += team.lanes) {
            const uint quad = begin + team.lane;
            if (quad >= quads) break;
            const uint4 four = begin == 0 ? near_groups : begin == team.lanes ? next_groups : row_groups[quad];
            for (uint c = 0; c < 4; ++c) {
                if (four[c] < base) continue;
                const uint place = atomic_fetch_add_explicit(&shared.groups, 1u, memory_order_relaxed);
                if (place >= LISTED) continue;
                shared.keys[place] = four[c];
                shared.tokens[place] = 4 * quad + c;
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all groups are there
        if (round == 0) team.take(totals, 2, shared);
        found = atomic_load_explicit(&shared.groups, memory_order_relaxed);
        if (found <= LISTED || round > 0) break;
        // Too many: the bound is halved until it is one that groups enough and not too many reach, if there is one.
        uint low = base, high = top;
        while (low < high) {
            const uint middle = high - (high - low) / 2;
            ulong reach = 0;
            for (uint quad = team.lane; quad < quads; quad += team.lanes) {
                const uint4 four = row_groups[quad];
                for (uint c = 0; c < 4; ++c) reach += four[c] >= middle ? 1 : 0;
            }
            reach = team.sum(reach, shared);
            if (reach >= want) low = middle;
            else high = middle - 1;
            if (reach >= want && reach <= LISTED) break;
        }
        base = low;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the count was read
        if (team.lane == 0) atomic_store_explicit(&shared.groups, 0u, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);  // nothing is filled
    }
    if (found <= LISTED && found > 2 * want + 64) {
        for (uint i = found + team.lane; i < (found + 3) / 4 * 4; i += team.lanes) shared.keys[i] = 0;
        base = max(base, team.nth(found, want, shared));
    }
    if (found <= LISTED) {
        for (uint i = team.lane; i < 8 * found; i += team.lanes) {
            if (shared.keys[i / 8] < base) continue;
            const uint group = shared.tokens[i / 8], first_token = group / 32 * TILE + 128 * (i % 8) + 4 * (group % 32);
            float four[4];
            if (VECTORS && first_token + 4 <= n) {
                const vec<T, 4> values = ((const device vec<T, 4>*)logits)[first_token / 4];
                four[0] = float(values.x);
                four[1] = float(values.y);
                four[2] = float(values.z);
                four[3] = float(values.w);
            } else {
                for (uint c = 0; c < 4; ++c) four[c] = first_token + c < n ? float(logits[first_token + c]) : -INFINITY;
            }
            for (uint c = 0; c < 4; ++c) {
                const uint key = key_of(four[c]);
                if (key < base) continue;
                const uint place = atomic_fetch_add_explicit(&shared.filled, 1u, memory_order_relaxed);
                if (place < LISTED) shared.pairs[place] = ulong(key) << 32 | ~(first_token + c);
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all tokens are there
    listed = atomic_load_explicit(&shared.filled, memory_order_relaxed);
    fits = found <= LISTED && listed <= LISTED;
    if (fits) team.sort(listed, shared);
} else {
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the totals are there
    team.take(totals, 2, shared);
}
const ulong cold = totals[0], warm = settings.has(WARM_TOTAL) ? totals[1] : totals[0];

Kept all;
all.low = 1;
all.high = 0xffffffffu;
all.base = 1;
all.typical = false;
all.untouched = true;
all.centre = all.width = all.typical_scale = all.typical_limit = 0.0f;
all.largest = largest;
all.scale = log2e;
all.limit = coolest;
all.total = cold;

uint id = 0xffffffffu, won = 0;  // and its key, where that is known
ulong mass = warm;
Kept kept = all;
if (chosen) {
    kept.base = base;
    if (settings.has(GREEDY)) kept.low = top;
    if (team.lane < 32 && fits) {
        List list;
        list.shared = &shared;
        list.lane = team.lane;
        list.count = list.end = listed;
        list.begin = 0;
        if (settings.has(FILTERED) && (settings.order & 15) != TEMPERATURE) list.weigh(kept);
        const bool told = filter(list, kept, settings, warm, deviation);
        if (told) {
            if (settings.has(FILTERED) && kept.scale != settings.scale) {
                kept.scale = settings.scale;
                kept.limit = settings.limit;
                list.weigh(kept);
            }
            id = list.first(kept, settings, mass, won);
        }
        if (team.lane == 0) shared.told = told ? 1 : 0;
    }
    if (!fits && team.lane == 0) shared.told = 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // it is known whether the list was enough
    if (shared.told == 0) {
        // Apart from the list's, which can stay in registers.
        Kept found = all;
        won = 0;
        if (settings.has(GREEDY)) found.low = top;
        Whole<T, VECTORS> whole;
        whole.logits = logits;
        whole.shared = &shared;
        whole.team = team;
        whole.n = n;
        whole.least = 0;
        filter(whole, found, settings, warm, deviation);
        found.scale = settings.scale;
        found.limit = settings.limit;
        id = whole.first(found, settings, mass);
        kept = found;
        team.turn = whole.team.turn;
    }
} else {
    // The second heat, among the tokens of the tile that won.
    const uint tile = uint(team.least(race, shared));
    const float best = value_of(row_tops[tile]);
    ulong heat = ~0ul;
    for (uint token = tile * TILE + team.lane; token < min(n, (tile + 1) * TILE); token += team.lanes) {
        const float z = float(logits[token]);
        if (z == -INFINITY) continue;
        const float time = exponential_of(bits_of(settings.keys, token)) * power_of(z - best, settings.scale, settings.limit).inverse;
        heat = min(heat, ulong(as_type<uint>(time)) << 32 | token);
    }
    id = uint(team.least(heat, shared));
}

// A row without candidates, which only parameters of other making can give.
if (id >= n) id = 0xffffffffu;
const float all_octaves = log2(float(cold) / UNITS), ln2 = 0.6931472f;
if (team.lane == 0) {
    ids[row] = id;
    const float d = won > 0 ? value_of(won) - largest : id < n ? float(logits[id]) - largest : NAN;
    const float processed = settings.has(GREEDY) ? 0.0f : d * settings.scale * ln2 - log2(float(mass) / UNITS) * ln2;
    logprobs[row] = PROCESSED ? processed : d - all_octaves * ln2;
    if (BOUNDS) {
        device uint* own = bounds + size_t(row) * BOUND;
        own[0] = kept.low;
        own[1] = kept.high;
        own[2] = (kept.typical ? 1u : 0u) | (id < n ? 0u : 2u);
        own[3] = as_type<uint>(kept.centre);
        own[4] = as_type<uint>(kept.width);
        own[5] = as_type<uint>(kept.typical_scale);
        own[6] = as_type<uint>(kept.typical_limit);
        own[7] = as_type<uint>(largest);
        own[8] = as_type<uint>(float(mass) / UNITS);
        own[9] = id;
    }
}

// The most likely tokens.
if (fits && listed >= min(top_n, n)) {
    for (uint i = team.lane; i < top_n; i += team.lanes) {
        top_ids[size_t(row) * top_n + i] = shared.tokens[i];
        top_logprobs[size_t(row) * top_n + i] = value_of(shared.keys[i]) - largest - all_octaves * ln2;
    }
} else {
    // Equal ones are too many for the list, or there are too few: one after the other.
    ulong last = ~0ul;
    for (uint rank = 0; rank < top_n; ++rank) {
        ulong next = ~0ul;
        for (uint token = team.lane; token < n; token += team.lanes) {
            const uint key = key_of(float(logits[token]));
            const ulong place = ulong(~key) << 32 | token;
            if (key > 0 && (rank == 0 || place > last)) next = min(next, place);
        }
        next = team.least(next, shared);
        const bool none = next == ~0ul || (rank > 0 && last == ~0ul);
        if (team.lane == 0) {
            const size_t at = size_t(row) * top_n + rank;
            top_ids[at] = none ? 0xffffffffu : uint(next);
            top_logprobs[at] = none ? -INFINITY : value_of(~uint(next >> 32)) - largest - all_octaves * ln2;
        }
        last = next;
    }
}
