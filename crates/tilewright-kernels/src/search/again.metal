// The best k of each segment of each row of candidates, from[row, n]. One threadgroup a segment, ITEMS candidates a thread.
const uint group = threadgroup_position_in_grid.x;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
const device uint64_t* row = from + size_t(group / segments) * n;
const uint first = group % segments * team.lanes * ITEMS;
ulong mine[ITEMS];
for (uint i = 0; i < ITEMS; ++i) {
    const uint place = first + i * team.lanes + team.lane;
    mine[i] = place < n ? row[place] : 0ul;
}
threadgroup Shared shared;
team.select(mine, k, shared);
for (uint i = team.lane; i < k; i += team.lanes) candidates[size_t(group) * k + i] = shared.kept[i];
