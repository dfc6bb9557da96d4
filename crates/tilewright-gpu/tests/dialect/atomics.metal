// 100 threads in one group: x [100] uint = (i * 37) % 101; u [12] uint, s [6] int, f [4] float. Each kind of
// atomic, in device and in threadgroup memory. u: add, sub, min, max, and, or, xor, exchanges seen, swaps by
// compare-exchange, threadgroup add, winners of a threadgroup flag, ulong max. s: add, min, max, sub, or,
// and. f: add, compare-exchange max, sub, exchange seen.
threadgroup atomic_uint counter;
threadgroup atomic_uint flags[4];
threadgroup atomic_bool taken[4];
device atomic_uint* du = (device atomic_uint*)u;
device atomic_int* ds = (device atomic_int*)s;
device atomic<float>* df = (device atomic<float>*)f;
device atomic_ulong* dl = (device atomic_ulong*)big;
const uint i = thread_position_in_threadgroup.x;
if (i == 0) {
    const uint u0[12] = {5, 1000000, 4294967295u, 0, 4294967295u, 0, 0, 0, 0, 0, 0, 0};
    for (int k = 0; k < 12; ++k) atomic_store_explicit(&du[k], u0[k], memory_order_relaxed);
    const int s0[6] = {0, 0, 0, 0, 0, -1};
    for (int k = 0; k < 6; ++k) atomic_store_explicit(&ds[k], s0[k], memory_order_relaxed);
    for (int k = 0; k < 4; ++k)
        atomic_store_explicit(&df[k], k == 1 ? -INFINITY : 0.0f, memory_order_relaxed);
    big[0] = 3;
    atomic_store_explicit(&counter, 0, memory_order_relaxed);
    for (int k = 0; k < 4; ++k) atomic_store_explicit(&flags[k], 0, memory_order_relaxed);
    for (int k = 0; k < 4; ++k) atomic_store_explicit(&taken[k], false, memory_order_relaxed);
}
// Orders the initial values before every operation on them.
threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
const uint v = x[i];
const int w = int(v) - 50;
atomic_fetch_add_explicit(&du[0], v, memory_order_relaxed);
atomic_fetch_sub_explicit(&du[1], v, memory_order_relaxed);
atomic_fetch_min_explicit(&du[2], v + 3, memory_order_relaxed);
atomic_fetch_max_explicit(&du[3], v, memory_order_relaxed);
atomic_fetch_and_explicit(&du[4], ~(1u << (v % 8)), memory_order_relaxed);
atomic_fetch_or_explicit(&du[5], 1u << (v % 13), memory_order_relaxed);
atomic_fetch_xor_explicit(&du[6], v, memory_order_relaxed);
// Whoever finds 0 was first: one of them.
if (atomic_exchange_explicit(&flags[0], 1, memory_order_relaxed) == 0)
    atomic_fetch_add_explicit(&du[7], 1, memory_order_relaxed);
uint seen = atomic_load_explicit(&du[8], memory_order_relaxed);
while (!atomic_compare_exchange_weak_explicit(&du[8], &seen, seen + 2, memory_order_relaxed,
                                              memory_order_relaxed)) {}
atomic_fetch_add_explicit(&counter, v, memory_order_relaxed);
// Four neighbouring bytes, each taken once.
if (!atomic_exchange_explicit(&taken[i % 4], true, memory_order_relaxed))
    atomic_fetch_add_explicit(&du[10], 1, memory_order_relaxed);
atomic_max_explicit(dl, ulong(v) << 33, memory_order_relaxed);
atomic_fetch_add_explicit(&ds[0], w, memory_order_relaxed);
atomic_fetch_min_explicit(&ds[1], w, memory_order_relaxed);
atomic_fetch_max_explicit(&ds[2], w, memory_order_relaxed);
atomic_fetch_sub_explicit(&ds[3], w, memory_order_relaxed);
atomic_fetch_or_explicit(&ds[4], int(1u << (v % 31)), memory_order_relaxed);
atomic_fetch_and_explicit(&ds[5], ~int(1u << (v % 3)), memory_order_relaxed);
atomic_fetch_add_explicit(&df[0], 0.5f * float(v), memory_order_relaxed);
float highest = atomic_load_explicit(&df[1], memory_order_relaxed);
while (highest < float(w) && !atomic_compare_exchange_weak_explicit(
                                 &df[1], &highest, float(w), memory_order_relaxed, memory_order_relaxed)) {}
atomic_fetch_sub_explicit(&df[2], 0.25f, memory_order_relaxed);
if (atomic_exchange_explicit((threadgroup atomic_float*)&flags[1], 2.0f, memory_order_relaxed) == 0.0f)
    atomic_fetch_add_explicit(&df[3], 1.0f, memory_order_relaxed);
// Orders every operation before the last reading.
threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
if (i == 0) {
    atomic_store_explicit(&du[9], atomic_load_explicit(&counter, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&du[11], uint(big[0] >> 33), memory_order_relaxed);
}
