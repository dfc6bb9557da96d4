// The best k of one list for one query. One threadgroup a query and list, a thread a row.
const uint group = threadgroup_position_in_grid.x;
const uint query = group / parts, part = group % parts;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
After after{BOUNDED ? ulong(bounds[3 * size_t(query)]) : ~0ul, 0u};
const size_t probe = size_t(query) * parts + part;
const int64_t list = probes[probe];
const bool real = list >= 0 && list < int64_t(lists);
const uint begin = real ? min(uint(offsets[list]), n) : 0u;
const uint end = real ? min(uint(offsets[list + 1]), n) : 0u;
const float base = based ? bases[probe] : 0.0f;
const device float* own_tables = tables + size_t(query) * m * WORDS;
threadgroup float held[LOCAL ? HELD : 1];
if (LOCAL) {
    for (uint at = team.lane; at < m * WORDS; at += team.lanes) held[at] = own_tables[at];
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the tables are there
}
threadgroup Shared shared;
ulong mine[ITEMS];
// What was kept so far comes again as the first candidates of the next round.
const uint carried = (k + team.lanes - 1) / team.lanes;
bool first = true;
for (uint next = begin; first || next < end;) {
    const uint old = first ? 0u : carried;
    for (uint i = 0; i < ITEMS; ++i) {
        mine[i] = 0;
        if (i < old) {
            const uint place = i * team.lanes + team.lane;
            if (place < k) mine[i] = shared.kept[place];
            continue;
        }
        const uint row = next + (i - old) * team.lanes + team.lane;
        if (row >= end || row < next) continue;
        if (filtered && ((keep[row / 8] >> (row % 8)) & 1) == 0) continue;
        const device uchar* codes_of = codes + size_t(row / 64) * bytes * 64 + row % 64;
        float sum;
        if (LOCAL) sum = entries_of<WORDS, const threadgroup float*>(held, codes_of, m);
        else sum = entries_of<WORDS, const device float*>(own_tables, codes_of, m);
        const float distance = base + (biased ? biases[row] : 0.0f) + (scaled ? factors[row] * sum : sum);
        mine[i] = after.taken(candidate_near(distance, labelled ? uint(row_ids[row]) : row));
    }
    const uint step = (ITEMS - old) * team.lanes;
    next = end - min(next, end) > step ? next + step : end;
    first = false;
    team.select(mine, k, shared);
}
for (uint i = team.lane; i < k; i += team.lanes) candidates[size_t(group) * k + i] = shared.kept[i];
if (BOUNDED) {
    const uint equal = team.total(after.repeats, shared);
    if (team.lane == 0) repeats[group] = equal;
}
