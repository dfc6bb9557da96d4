// A group a value: it goes to the place that its rank among those of its matrix gives it, and its row of vectors with it.
threadgroup uint counts[8];
const uint t = thread_index_in_threadgroup, at = threadgroup_position_in_grid.x;
const ulong item = at / n;
const uint j = at % n;
const device S* all = values + item * n;
const S mine = all[j];
uint before = 0;
for (uint k = t; k < n; k += 256) {
    const S other = all[k];
    // What is no number comes last; equals keep their order.
    const bool less = other < mine || (mine != mine && other == other);
    const bool more = mine < other || (other != other && mine == mine);
    before += less || (!more && k < j) ? 1 : 0;
}
before = simd_sum(before);
if (t % 32 == 0) counts[t / 32] = before;
// All counts are there.
threadgroup_barrier(mem_flags::mem_threadgroup);
uint rank = 0;
for (uint g = 0; g < 8; ++g) rank += counts[g];
if (t == 0) ordered[item * n + rank] = mine;
if (vectors) {
    for (uint k = t; k < n; k += 256) rows[(item * n + rank) * n + k] = matrix[(item * n + j) * n + k];
}
