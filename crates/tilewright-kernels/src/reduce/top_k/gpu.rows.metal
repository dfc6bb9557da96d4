// A row's best k: one threadgroup a row. The k-th largest of the groups' keys is not above that of the k-th best element, so that only elements of
// groups which reach it are looked at.
Team team;
team.lane = thread_position_in_threadgroup.x;
team.lanes = threads_per_threadgroup.x;
team.turn = 0;
const uint group_row = threadgroup_position_in_grid.x, count = 32 * tiles;
const device uint* keys = groups + size_t(group_row) * count;
threadgroup Shared shared;
threadgroup uint listed[LISTED];

uint mine[HELD];
uint most = 0, least = ~0u;
#pragma unroll
for (uint i = 0; i < HELD; ++i) {
    const uint group = i * team.lanes + team.lane;
    mine[i] = group < count ? keys[group] : 0u;
    most = max(most, mine[i]);
    if (group < count) least = min(least, mine[i]);
}
most = simd_max(most);
least = simd_min(least);
if (team.lane % 32 == 0) {
    shared.counts[0][team.lane / 32] = most;
    shared.counts[1][team.lane / 32] = least;
}
threadgroup_barrier(mem_flags::mem_threadgroup);  // the ends of every SIMD group's keys are there
for (uint part = 0; part < team.lanes / 32; ++part) {
    most = max(most, shared.counts[0][part]);
    least = min(least, shared.counts[1][part]);
}
threadgroup_barrier(mem_flags::mem_threadgroup);  // they were read
// All groups reach the low end, fewer than k what is above the high one.
uint low = least, high = most;
while (low < high) {
    const uint middle = high - (high - low) / 2;
    uint reaching = 0;
#pragma unroll
    for (uint i = 0; i < HELD; ++i) reaching += i * team.lanes + team.lane < count && mine[i] >= middle ? 1 : 0;
    const uint reached = team.total(reaching, shared);
    if (reached >= k) {
        low = middle;
        if (reached <= k + ENOUGH) break;
    } else {
        high = middle - 1;
    }
}
if (team.lane == 0) atomic_store_explicit(&shared.filled, 0u, memory_order_relaxed);
threadgroup_barrier(mem_flags::mem_threadgroup);  // nothing is listed
#pragma unroll
for (uint i = 0; i < HELD; ++i) {
    const uint group = i * team.lanes + team.lane;
    if (group >= count || mine[i] < low) continue;
    const uint place = atomic_fetch_add_explicit(&shared.filled, 1u, memory_order_relaxed);
    if (place < LISTED) listed[place] = group;
}
threadgroup_barrier(mem_flags::mem_threadgroup);  // all are listed
const uint found = atomic_load_explicit(&shared.filled, memory_order_relaxed);

Quads<T, VECTORS> quads;
quads.row = x + size_t(group_row) * n;
quads.listed = listed;
quads.n = n;
quads.all = found > LISTED;
quads.largest = largest;
quads.count = quads.all ? (n + 3) / 4 : 8 * found;
ulong bound = ulong(low) << 32;
uint kept = quads.keep(team, bound, shared);
if (kept > CAPACITY) {
    bound = quads.search(team, bound, k, shared);
    kept = quads.keep(team, bound, shared);
}
// No two candidates are equal, so each has a rank of its own.
for (uint i = team.lane; i < kept; i += team.lanes) {
    const ulong candidate = shared.kept[i];
    uint rank = 0;
    for (uint j = 0; j < kept; ++j) rank += shared.kept[j] > candidate ? 1 : 0;
    if (rank >= k) continue;
    const size_t at = size_t(group_row) * k + rank;
    values[at] = quads.row[position_of(candidate)];
    positions[at] = I(position_of(candidate));
}
