// A row's token: one threadgroup a row.
const uint row = threadgroup_position_in_grid.x;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
threadgroup Shared shared;
const Row settings = row_of(parameters + size_t(row) * WORDS, step);
const device uint* row_tops = tops + size_t(row) * tiles;
const device uint* row_groups = groups + size_t(row) * tiles * 32;
Whole<T> whole;
whole.logits = x + size_t(row) * n;
whole.count = n;

ulong first = ~0ul;
for (uint tile = team.lane; tile < tiles; tile += team.lanes) first = min(first, ulong(~row_tops[tile]));
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

// Totals of the row, and the first heat of its race: among the tiles, by their masses.
const float largest = value_of(top), log2e = 1.442695f, coolest = -69.0f;
ulong totals[2] = {0, 0}, race = ~0ul;
for (uint tile = team.lane; tile < tiles; tile += team.lanes) {
    if (row_tops[tile] == 0) continue;
    const size_t at = size_t(row) * tiles + tile;
    const float d = value_of(row_tops[tile]) - largest;
    totals[0] += ulong(sums[2 * at] * power_of(d, log2e, coolest).weight * UNITS);
    const Power power = power_of(d, settings.scale, settings.limit);
    if (settings.has(WARM_TOTAL)) totals[1] += ulong(sums[2 * at + 1] * power.weight * UNITS);
    if (!(settings.flags & (GREEDY | FILTERED))) {
        const float mass = sums[2 * at + (settings.has(WARM_TOTAL) ? 1 : 0)];
        const float time = exponential_of(bits_of(settings.keys, HEAT | tile)) * power.inverse / mass;
        race = min(race, ulong(as_type<uint>(time)) << 32 | tile);
    }
}
team.sums(totals, 2, shared);
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

// The list: at least the best `want` tokens, if there are so many and the list holds them with their equals.
const bool listed = (settings.flags & (GREEDY | FILTERED)) || top_n > 0;
const uint want = max(max(settings.want, top_n), 1u);
List list;
list.shared = &shared;
list.count = 0;
uint base = 1;
bool fits = false;
if (listed) {
    // The want-th largest of any tokens' keys is at most that of all tokens': first among tiles' largest, then among groups'.
    if (tiles >= want && tiles <= LISTED) {
        for (uint tile = team.lane; tile < tiles; tile += team.lanes) shared.keys[tile] = row_tops[tile];
        list.count = tiles;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all keys are there
        if (together(team, shared, list, all, COUNT) >= want) base = threshold(team, shared, list, all, COUNT, want, 0.0f);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the keys before were read
    if (team.lane == 0) atomic_store_explicit(&shared.filled, 0u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // nothing is filled
    for (uint quad = team.lane; quad < 8 * tiles; quad += team.lanes) {
        const uint4 four = ((const device uint4*)row_groups)[quad];
        for (uint c = 0; c < 4; ++c) {
            if (four[c] < base) continue;
            const uint place = atomic_fetch_add_explicit(&shared.filled, 1u, memory_order_relaxed);
            if (place >= LISTED) continue;
            shared.keys[place] = shared.tops[place] = four[c];
            shared.groups[place] = 4 * quad + c;
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all groups are there
    const uint found = atomic_load_explicit(&shared.filled, memory_order_relaxed);
    list.count = found;
    if (found <= LISTED && found >= want) {
        base = max(base, threshold(team, shared, list, all, COUNT, want, 0.0f));
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the count and the keys were read
    if (team.lane == 0) atomic_store_explicit(&shared.filled, 0u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // nothing is filled
    if (found <= LISTED) {
        for (uint i = team.lane; i < 8 * found; i += team.lanes) {
            if (shared.tops[i / 8] < base) continue;
            const uint group = shared.groups[i / 8], first_token = group / 32 * TILE + 128 * (i % 8) + 4 * (group % 32);
            float four[4];
            if (VECTORS && first_token + 4 <= n) {
                const vec<T, 4> values = ((const device vec<T, 4>*)whole.logits)[first_token / 4];
                four[0] = float(values.x);
                four[1] = float(values.y);
                four[2] = float(values.z);
                four[3] = float(values.w);
            } else {
                for (uint c = 0; c < 4; ++c) four[c] = first_token + c < n ? float(whole.logits[first_token + c]) : -INFINITY;
            }
            for (uint c = 0; c < 4; ++c) {
                const uint key = key_of(four[c]);
                if (key < base) continue;
                const uint place = atomic_fetch_add_explicit(&shared.filled, 1u, memory_order_relaxed);
                if (place >= LISTED) continue;
                shared.keys[place] = key;
                shared.tokens[place] = first_token + c;
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all tokens are there
    list.count = atomic_load_explicit(&shared.filled, memory_order_relaxed);
    fits = found <= LISTED && list.count <= LISTED;
}

uint id = 0xffffffffu;
ulong mass = warm;
Kept kept = all;
if (settings.flags & (GREEDY | FILTERED)) {
    kept.base = base;
    bool told = fits;
    if (settings.has(GREEDY)) kept.low = top;
    if (told) told = filter(team, shared, list, whole, kept, settings, warm);
    if (told) {
        id = draw(team, shared, list, kept, settings, mass);
    } else {
        kept = all;
        if (settings.has(GREEDY)) kept.low = top;
        filter(team, shared, whole, whole, kept, settings, warm);
        id = draw(team, shared, whole, kept, settings, mass);
    }
} else {
    // The second heat, among the tokens of the tile that won.
    const uint tile = uint(team.least(race, shared));
    const float best = value_of(row_tops[tile]);
    ulong heat = ~0ul;
    for (uint token = tile * TILE + team.lane; token < min(n, (tile + 1) * TILE); token += team.lanes) {
        const float z = float(whole.logits[token]);
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
    const float d = id < n ? float(x[size_t(row) * n + id]) - largest : NAN;
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

// The most likely tokens, each at its rank.
if (fits && list.count >= min(top_n, n)) {
    for (uint i = team.lane; i < list.count; i += team.lanes) {
        const uint key = shared.keys[i], token = shared.tokens[i];
        uint rank = 0;
        for (uint j = 0; j < list.count && rank < top_n; ++j) {
            rank += shared.keys[j] > key || (shared.keys[j] == key && shared.tokens[j] < token) ? 1 : 0;
        }
        if (rank < top_n) {
            top_ids[size_t(row) * top_n + rank] = token;
            top_logprobs[size_t(row) * top_n + rank] = value_of(key) - largest - all_octaves * ln2;
        }
    }
} else {
    // Equal ones are too many for the list, or there are too few: one after the other.
    ulong last = ~0ul;
    for (uint rank = 0; rank < top_n; ++rank) {
        ulong next = ~0ul;
        for (uint token = team.lane; token < n; token += team.lanes) {
            const uint key = whole.key(token);
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
