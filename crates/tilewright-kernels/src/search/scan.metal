// The best k of one part of the rows for one query: a stretch of all rows, or a list. One threadgroup a part and query; each SIMD group takes
// 32 rows at a time, and lane i keeps the candidate of the i-th.
const uint group = threadgroup_position_in_grid.x;
const uint part = group % parts;
const size_t number = group / parts;
const uint lane = thread_index_in_simdgroup;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
After after{BOUNDED ? ulong(bounds[3 * number]) : ~0ul, 0u};
uint begin = part * length, end = min(n, begin + min(length, n - min(begin, n)));
if (LISTED) {
    const int64_t list = probes[number * parts + part];
    const bool real = list >= 0 && list < int64_t(lists);
    begin = real ? min(uint(offsets[list]), n) : 0u;
    end = real ? min(uint(offsets[list + 1]), n) : 0u;
}
const device T* query = queries + number * d;
const Query made = query_of<T, METRIC>(query, d, lane);
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
        const uint from = next + (i - old) * team.lanes + (team.lane - lane);  // the first of this SIMD group's 32 rows
        for (uint t = 0; t < 32; t += TOGETHER) {
            // All lanes decide alike: simd_sum needs them together.
            if (from + t >= end || from + t < from) break;
            float distances[TOGETHER];
            distances_of<T, METRIC>(made, query, data, from + t, end - 1, d, lane, distances);
            for (uint u = 0; u < TOGETHER; ++u) {
                const uint row = from + t + u;
                if (t + u != lane || row >= end) continue;
                if (filtered && ((keep[row / 8] >> (row % 8)) & 1) == 0) continue;
                mine[i] = after.taken(candidate_near(distances[u], labelled ? uint(ids[row]) : row));
            }
        }
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
