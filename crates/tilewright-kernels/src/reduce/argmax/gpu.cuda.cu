// As gpu.metal, but the groups of a row are a cluster: each sends what it found into the memory of the first, where a barrier counts the bytes. One launch.
using A = typename Wide<T>::type;
__shared__ Best<A> scratch[32], found[8];
__shared__ unsigned long long bytes;
static_assert(sizeof(Best<A>) == 8, "one is sent at once");
const Item item = item_of(true, threadgroup_position_in_grid.x, blockDim.x, threadIdx.x, n, chunk, parts);
const unsigned barrier = unsigned(__cvta_generic_to_shared(&bytes));
if (item.lane == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(barrier) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(parts * 8) : "memory");
}
asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
Best<A> best = combine(best_of<A>(x, item, n, shift), item, true, scratch);
asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");  // the first group runs, and its barrier is there
if (item.lane > 0) return;
unsigned to, counted;
asm("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(to) : "r"(unsigned(__cvta_generic_to_shared(found + item.part))));
asm("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(counted) : "r"(barrier));
asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.u32 [%0], {%1, %2}, [%3];" ::"r"(to), "r"(best.key), "r"(best.position), "r"(counted) : "memory");
if (item.part > 0) return;
asm volatile("{\n.reg .pred done;\nagain: mbarrier.try_wait.parity.shared.b64 done, [%0], 0;\n@!done bra again;\n}" ::"r"(barrier) : "memory");
best = found[0];
for (uint part = 1; part < parts; ++part) best.merge(found[part]);
out[item.row] = best.position;
