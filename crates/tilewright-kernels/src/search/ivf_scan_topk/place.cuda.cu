// Where the queries of each list that is named are to be put, and its tiles of rows as work to do. In whatever order: results do not depend on it. A thread a list; totals
// begin at 0: queries put, tiles put.
const unsigned list = threadgroup_position_in_grid.x * blockDim.x + threadIdx.x;
if (list >= lists || counts[list] == 0) return;
const Stretch own = stretch_of(offsets, list, lists, n);
const unsigned tiles = (own.end - own.begin + TILE - 1) / TILE;
starts[list] = atomicAdd((unsigned*)totals, counts[list]);
sizes[list] = counts[list];
const unsigned first = atomicAdd((unsigned*)totals + 1, tiles);
for (unsigned tile = 0; tile < tiles; ++tile) ((uint2*)work)[first + tile] = uint2(list, tile);
