// The best k of each segment of each row. One threadgroup a segment, ITEMS elements a thread.
const uint group = threadgroup_position_in_grid.x;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
const device T* row = x + size_t(group / segments) * n;
const uint first = group % segments * team.lanes * ITEMS;
ulong mine[ITEMS];
for (uint i = 0; i < ITEMS; ++i) {
    const uint position = first + i * team.lanes + team.lane;
    mine[i] = position < n ? candidate_of(row[position], position, largest) : 0ul;
}
threadgroup Shared shared;
team.select(mine, k, shared);
give(team, shared, k, last, group, row, candidates, values, positions);
