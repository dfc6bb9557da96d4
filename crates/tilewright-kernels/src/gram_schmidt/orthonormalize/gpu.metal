// One column of the matrix w, in steps. All groups of a matrix take the same decisions from the same numbers; each changes its own chunk of rows, and
// leaves in `out` what its rows add to the next step: [i] to the coefficient of column i, [n] and [n + 1] to the squared norms after the last and the last but one.
//
// PROJECT   ends column j - 1 (divides it by its norm, or makes it zeros), then adds up Q^T w for column j
// SUBTRACT  w -= Q c, then adds up Q^T w and |w|^2 again
// FINISH    w -= Q c, then adds up |w|^2
// CLOSE     ends column j - 1 only
const uint PROJECT = 0, SUBTRACT = 1, FINISH = 2, CLOSE = 3;
threadgroup float coefficients[1024];
threadgroup float partial_sums[256];

uint chunk = threadgroup_position_in_grid.x % chunks;
ulong batch = threadgroup_position_in_grid.x / chunks;
uint t = thread_position_in_threadgroup.x;
uint first = chunk * rows, end = min(first + rows, m);
device float* mine = w + batch * m * n;
const device float* before = parts + batch * chunks * (n + 2);
device float* after = out + (batch * chunks + chunk) * (n + 2);

if ((step == PROJECT || step == CLOSE) && j > 0) {
    float norm = 0.0f, once = 0.0f, reference = 0.0f;
    for (uint c = 0; c < chunks; ++c) {
        norm += before[c * (n + 2) + n];
        once += before[c * (n + 2) + n + 1];
        reference += references[(batch * chunks + c) * n + j - 1];
    }
    reference = measure ? reference : 1.0f;
    // NaN is no reason to drop a column: it has to be seen.
    bool dropped = norm <= tolerance * reference || norm < least_left * once;
    float length = sqrt(norm);
    for (uint row = first + t; row < end; row += 256) {
        mine[row * n + j - 1] = dropped ? 0.0f : mine[row * n + j - 1] / length;
    }
    if (chunk == 0 && t == 0) {
        kept[batch * n + j - 1] = !dropped;
    }
}
if (step == SUBTRACT || step == FINISH) {
    for (uint i = t; i < j; i += 256) {
        float sum = 0.0f;
        for (uint c = 0; c < chunks; ++c) {
            sum += before[c * (n + 2) + i];
        }
        coefficients[i] = sum;
    }
    // All coefficients are there before any is used.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint row = first + t / 32; row < end; row += 8) {
        float sum = 0.0f;
        for (uint i = t % 32; i < j; i += 32) {
            sum += mine[row * n + i] * coefficients[i];
        }
        sum = simd_sum(sum);
        if (t % 32 == 0) {
            mine[row * n + j] -= sum;
        }
    }
}
// The column is written before other threads of the group read it.
threadgroup_barrier(mem_flags::mem_device);

for (uint i = t; i < n + 2; i += 256) {
    bool summed = step == FINISH ? i == n : step != CLOSE && (i < j || i == n);
    if (!summed) {
        after[i] = step == FINISH && i == n + 1 ? before[chunk * (n + 2) + n] : 0.0f;
    }
}
if (step == CLOSE) {
    return;
}
// Column j itself is among the summed ones: its product with itself is the squared norm.
for (uint base = step == FINISH ? j : 0; base <= j; base += 256) {
    uint width = min(j + 1 - base, 256u), lanes = 256 / width;
    uint lane = t / width, i = base + t % width;
    float sum = 0.0f;
    if (lane < lanes) {
        for (uint row = first + lane; row < end; row += lanes) {
            sum += mine[row * n + i] * mine[row * n + j];
        }
    }
    partial_sums[t] = sum;
    // All sums are there before any is read; then each halving is complete before the next reads it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint live = lanes; live > 1;) {
        uint half_way = (live + 1) / 2;
        if (lane + half_way < live) {
            partial_sums[t] += partial_sums[t + half_way * width];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        live = half_way;
    }
    if (lane == 0) {
        after[i == j ? n : i] = partial_sums[t];
    }
    // Read before the next block of columns overwrites them.
    threadgroup_barrier(mem_flags::mem_threadgroup);
}
