// The best k of a query's rows. One threadgroup a query; each SIMD group takes 32 rows at a time, and lane i keeps the candidate of the i-th.
const uint number = threadgroup_position_in_grid.x;
const uint lane = thread_index_in_simdgroup;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
After after{BOUNDED ? ulong(bounds[3 * size_t(number)]) : ~0ul, 0u};
const device T* query = queries + size_t(number) * d;
const Query made = query_of<T, METRIC>(query, d, lane);
threadgroup Shared shared;
ulong mine[ITEMS];
const uint carried = (k + team.lanes - 1) / team.lanes;
for (uint next = 0; next < c;) {
    const uint old = next == 0 ? 0u : carried;
    for (uint i = 0; i < ITEMS; ++i) {
        mine[i] = 0;
        if (i < old) {
            const uint place = i * team.lanes + team.lane;
            if (place < k) mine[i] = shared.kept[place];
            continue;
        }
        const uint from = next + (i - old) * team.lanes + (team.lane - lane);  // the first of this SIMD group's 32 places
        for (uint t = 0; t < 32; ++t) {
            // All lanes decide alike: simd_sum needs them together.
            if (from + t >= c) break;
            const int64_t row = rows[size_t(number) * c + from + t];
            if (row < 0 || row >= int64_t(n)) continue;
            float distances_of_rows[TOGETHER];
            distances_of<T, METRIC>(made, query, data, uint(row), uint(row), d, lane, distances_of_rows);
            if (t == lane) mine[i] = after.taken(candidate_near(distances_of_rows[0], labelled ? uint(row_ids[row]) : uint(row)));
        }
    }
    const uint step = (ITEMS - old) * team.lanes;
    next = c - next > step ? next + step : c;
    team.select(mine, k, shared);
}
for (uint i = team.lane; i < k; i += team.lanes) candidates[size_t(number) * k + i] = shared.kept[i];
if (BOUNDED) {
    const uint equal = team.total(after.repeats, shared);
    if (team.lane == 0) repeats[number] = equal;
}
