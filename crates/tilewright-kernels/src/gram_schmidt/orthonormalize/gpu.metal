// One column of the matrix w, in steps. All groups of a matrix take the same decisions from the same numbers; each changes its own chunk of rows, and
// leaves in `out` what its rows add to the next step: [i] to the coefficient of column i, [n] and [n + 1] to the squared norms after the last and the last but one.
//
// PROJECT   ends column j - 1 (divides it by its norm, or makes it zeros), then adds up Q^T w for column j
// SUBTRACT  w -= Q c, then adds up Q^T w and |w|^2 again
// FINISH    w -= Q c, then adds up |w|^2
// CLOSE     ends column j - 1 only
const uint PROJECT = 0, SUBTRACT = 1, FINISH = 2, CLOSE = 3;
threadgroup S coefficients[1024];
threadgroup S lane_parts[256];

uint chunk = threadgroup_position_in_grid.x % chunks;
ulong batch = threadgroup_position_in_grid.x / chunks;
uint t = thread_position_in_threadgroup.x;
uint first = chunk * rows, end = min(first + rows, m);
device S* mine = w + batch * m * n;
const device S* before = parts + batch * chunks * (n + 2);
device S* after = out + (batch * chunks + chunk) * (n + 2);

if ((step == PROJECT || step == CLOSE) && j > 0) {
    S norm = S(0), once = S(0), reference = S(0);
    for (uint c = 0; c < chunks; ++c) {
        norm += before[c * (n + 2) + n];
        once += before[c * (n + 2) + n + 1];
        reference += references[(batch * chunks + c) * n + j - 1];
    }
    reference = measure ? reference : S(1);
    // NaN is no reason to drop a column: it has to be seen.
    bool dropped = norm <= S(tolerance) * reference || norm < S(least_left) * once;
    S length = sqrt(norm);
    for (uint row = first + t; row < end; row += 256) {
        mine[row * n + j - 1] = dropped ? S(0) : mine[row * n + j - 1] / length;
    }
    if (chunk == 0 && t == 0) {
        kept[batch * n + j - 1] = !dropped;
    }
}
if (step == SUBTRACT || step == FINISH) {
    for (uint i = t; i < j; i += 256) {
        S sum = S(0);
        for (uint c = 0; c < chunks; ++c) {
            sum += before[c * (n + 2) + i];
        }
        coefficients[i] = sum;
    }
    // All coefficients are there before any is used.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint row = first + t / 32; row < end; row += 8) {
        S sum = S(0);
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
        after[i] = step == FINISH && i == n + 1 ? before[chunk * (n + 2) + n] : S(0);
    }
}
if (step == CLOSE) {
    return;
}
// Column j itself is among the summed ones: its product with itself is the squared norm.
for (uint base = step == FINISH ? j : 0; base <= j; base += 256) {
    uint width = min(j + 1 - base, 256u), lanes = 256 / width;
    uint lane = t / width, i = base + t % width;
    S sum = S(0);
    for (uint row = lane < lanes ? first + lane : end; row < end; row += lanes) {
        sum += mine[row * n + i] * mine[row * n + j];
    }
    sum = over_lanes<false, S>(sum, lane_parts, t, width);
    if (lane == 0) {
        after[i == j ? n : i] = sum;
    }
}
