// A group adds up one chunk of rows. Its threads lie over as many whole rows of Q as fit, so that together they read consecutive memory; each thread
// keeps RUN columns, and the threads of one column are added at the end.
uint units = k / RUN;
uint width = min(units, 256u);
uint lanes = 256 / width;
uint blocks = (units + 255) / 256;

uint group = threadgroup_position_in_grid.x;
uint chunk = group % chunks;
uint block = group / chunks % blocks;
uint column = group / chunks / blocks % p;
ulong batch = group / chunks / blocks / p;

uint t = thread_position_in_threadgroup.x;
uint lane = t / width;
uint unit = block * 256 + t % width;
bool active = lane < lanes && unit < units;

Sum<A, COMPENSATED> sums[RUN];
for (uint e = 0; e < RUN; ++e) {
    sums[e].clear();
}
if (active) {
    uint end = min(chunk * rows + rows, m);
    for (uint row = chunk * rows + lane; row < end; row += lanes) {
        const device T* from = q + (batch * m + row) * k + unit * RUN;
        A factor = A(v[(batch * m + row) * p + column]);
        vec<T, 4> values;
        if (RUN == 4) {
            values = *(const device vec<T, 4>*)from;
        } else {
            values[0] = from[0];
        }
        for (uint e = 0; e < RUN; ++e) {
            sums[e].add_product(A(values[e]), factor);
        }
    }
}

threadgroup Sum<A, COMPENSATED> shared_sums[256 * RUN];
for (uint e = 0; e < RUN; ++e) {
    shared_sums[t * RUN + e] = sums[e];
}
// All sums are there before any is read; then each halving is complete before the next reads it.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint live = lanes; live > 1;) {
    uint kept = (live + 1) / 2;
    if (active && lane + kept < live) {
        for (uint e = 0; e < RUN; ++e) {
            Sum<A, COMPENSATED> sum = shared_sums[t * RUN + e];
            sum.join(shared_sums[(t + kept * width) * RUN + e]);
            shared_sums[t * RUN + e] = sum;
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    live = kept;
}

if (active && lane == 0) {
    for (uint e = 0; e < RUN; ++e) {
        Sum<A, COMPENSATED> sum = shared_sums[t * RUN + e];
        ulong index = ((batch * chunks + chunk) * k + unit * RUN + e) * p + column;
        if (PARTIAL) {
            sum.save(out, index);
        } else {
            out[index] = O(sum.value());
        }
    }
}
