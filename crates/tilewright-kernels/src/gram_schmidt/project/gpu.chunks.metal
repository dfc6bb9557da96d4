// Adds up the chunks: 32 neighbouring results a group, 8 threads each, so that each step reads consecutive memory.
uint t = thread_position_in_threadgroup.x;
uint lane = t / 32;
ulong index = ulong(threadgroup_position_in_grid.x) * 32 + t % 32;
Sum<A, COMPENSATED> sum;
sum.clear();
if (index < n) {
    ulong batch = index / size, place = index % size;
    for (uint chunk = lane; chunk < chunks; chunk += 8) {
        sum.join(Sum<A, COMPENSATED>::load(parts, (batch * chunks + chunk) * size + place));
    }
}
threadgroup Sum<A, COMPENSATED> shared_sums[256];
shared_sums[t] = sum;
// All sums are there before any is read; then each halving is complete before the next reads it.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint kept = 4; kept > 0; kept /= 2) {
    if (lane < kept) {
        sum.join(shared_sums[t + kept * 32]);
        shared_sums[t] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
}
if (lane == 0 && index < n) {
    out[index] = O(sum.value());
}
