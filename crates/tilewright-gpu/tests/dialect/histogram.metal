// 1000 threads in groups of 96: x [1000] uint = (i * i) % 17; out [17] atomic uint, zero before. Groups add
// to one memory.
threadgroup atomic_uint local[17];
const uint t = thread_position_in_threadgroup.x;
if (t < 17) atomic_store_explicit(&local[t], 0, memory_order_relaxed);
threadgroup_barrier(mem_flags::mem_threadgroup);
atomic_fetch_add_explicit(&local[x[thread_position_in_grid.x]], 1, memory_order_relaxed);
threadgroup_barrier(mem_flags::mem_threadgroup);
if (t < 17)
    atomic_fetch_add_explicit(&out[t], atomic_load_explicit(&local[t], memory_order_relaxed),
                              memory_order_relaxed);
