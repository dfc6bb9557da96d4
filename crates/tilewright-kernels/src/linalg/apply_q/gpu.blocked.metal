// A group of 256 threads for 32 columns of c, through all blocks of NB reflections.
threadgroup S stage[64 * NB];
threadgroup S parts[8 * NB * 32];
threadgroup S s[NB * NB];
threadgroup S taus[NB];
const uint tiles = (p + 31) / 32;
const uint item = threadgroup_position_in_grid.x / tiles;
const uint left = threadgroup_position_in_grid.x % tiles * 32;
const uint t = thread_index_in_threadgroup;
const uint most = min(m, n);
const device S* from = c + ulong(item) * m * p;
device S* to = out + ulong(item) * m * p;

for (uint e = t; e < m * 32; e += 256) {
    const uint i = e / 32, j = left + e % 32;
    if (j < p) to[i * p + j] = identity ? S(i == j) : from[i * p + j];
}
// The copy is complete before other threads read it.
threadgroup_barrier(mem_flags::mem_device);

const uint blocks = (most + NB - 1) / NB;
for (uint step = 0; step < blocks; ++step) {
    const uint k = (transpose ? step : blocks - 1 - step) * NB;
    // Columns of the identity before the block's first one are zeros in all of its rows.
    if (identity && left + 32 <= k) continue;
    const Block<NB, S> block = {stage, parts, s, taus, reflectors + ulong(item) * m * n, k, min(uint(NB), most - k), m, n};
    block.prepare(tau + ulong(item) * most, t);
    block.apply(to, p, left, p, transpose, t);
}
