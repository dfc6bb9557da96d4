// A group of 256 threads: rows in the order that exchanges, one after the other, leave them in. `memory` holds them and the exchanges.
const uint t = thread_index_in_threadgroup;
threadgroup uint* order = memory;
threadgroup uint* others = memory + m;
for (uint i = t; i < m; i += 256) order[i] = i;
for (uint k = t; k < count; k += 256) others[k] = uint(pivots[k] - 1);
// All are there before they are exchanged.
threadgroup_barrier(mem_flags::mem_threadgroup);
if (t == 0) {
    for (uint k = 0; k < count; ++k) {
        const uint here = order[k], other = others[k];
        order[k] = order[other];
        order[other] = here;
    }
}
// The order is there before it is written out.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint i = t; i < m; i += 256) permutation[i] = int(order[i]);
