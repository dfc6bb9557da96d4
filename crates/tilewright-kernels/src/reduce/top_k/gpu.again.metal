// The best k of each segment of each row's candidates, from[row, n]: as gpu.metal.
const uint group = threadgroup_position_in_grid.x;
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
const device uint64_t* row = from + size_t(group / segments) * n;
const uint first = group % segments * team.lanes * ITEMS;
ulong mine[ITEMS];
for (uint i = 0; i < ITEMS; ++i) {
    const uint position = first + i * team.lanes + team.lane;
    mine[i] = position < n ? row[position] : 0ul;
}
threadgroup Shared shared;
team.select(mine, k, shared);
give(team, shared, k, last, group, x + size_t(group / segments) * extent, candidates, values, positions);
