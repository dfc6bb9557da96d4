// As gpu.metal, but the groups of a row are a cluster, and the first of them joins what they found: one launch.
using A = typename Wide<T>::type;
__shared__ Best<A> scratch[32], found[8];
const Item item = item_of(true, threadgroup_position_in_grid.x, blockDim.x, threadIdx.x, n, chunk, parts);
asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
Best<A> best = combine(best_of<A>(x, item, n, shift), item, true, scratch);
asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");  // the first group runs, and with it there is its memory
if (item.lane == 0) {
    Best<A>* first;
    asm("mapa.u64 %0, %1, 0;" : "=l"(first) : "l"(found + item.part));
    *first = best;
}
asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
if (item.part > 0) return;
asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");  // all groups' results are there
if (item.lane > 0) return;
for (uint part = 1; part < parts; ++part) best.merge(found[part]);
out[item.row] = best.position;
