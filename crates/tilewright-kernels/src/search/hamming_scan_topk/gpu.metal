// The best k of one stretch of rows for one query. One threadgroup a stretch and query, a thread a row.
const uint group = threadgroup_position_in_grid.x;
const uint part = group % parts;
const size_t number = group / parts;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
After after{BOUNDED ? ulong(bounds[3 * number]) : ~0ul, 0u};
const uint begin = min(n, part * length), end = begin + min(length, n - begin);
const device uchar* query = queries + number * bytes;
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
        const device uchar* own = data + size_t(row) * bytes;
        uint count = 0;
        if (WORDS) {
            const device uint* words = (const device uint*)own;
            const device uint* theirs = (const device uint*)query;
            for (uint j = 0; j < bytes / 4; ++j) count += popcount(words[j] ^ theirs[j]);
        } else {
            for (uint j = 0; j < bytes; ++j) count += popcount(uint(own[j] ^ query[j]));
        }
        mine[i] = after.taken(candidate_near(float(count), labelled ? uint(row_ids[row]) : row));
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
