// One chunk of rows: FIRST finds the largest element of each column; the second launch divides by a power of two near the largest of all chunks, and adds
// up squares. Threads lie over as many whole rows as fit, so that together they read consecutive memory.
threadgroup S lane_parts[256];
uint chunk = threadgroup_position_in_grid.x % chunks;
ulong batch = threadgroup_position_in_grid.x / chunks;
uint first = chunk * rows, end = min(first + rows, m);
uint t = thread_position_in_threadgroup.x;
uint width = min(n, 256u), lanes = 256 / width, lane = t / width;
for (uint base = 0; base < n; base += width) {
    uint j = base + t % width;
    bool active = lane < lanes && j < n;
    S factor = S(1);
    if (!FIRST && active) {
        S largest = S(0);
        for (uint other = 0; other < chunks; ++other) {
            largest = max(largest, parts[(batch * chunks + other) * n + j]);
        }
        // An infinite column stays as it is.
        factor = over_its_exponent(largest);
    }
    S found = S(0);
    for (uint row = active ? first + lane : end; row < end; row += lanes) {
        ulong place = (batch * m + row) * n + j;
        S value = a[place] * factor;
        // max ignores a NaN, so it hides no other element; it stays in w, and makes its column's norm NaN.
        found = FIRST ? max(found, fabs(value)) : found + value * value;
        if (!FIRST) {
            w[place] = value;
        }
    }
    found = over_lanes<FIRST, S>(found, lane_parts, t, width);
    if (active && lane == 0) {
        out[(batch * chunks + chunk) * n + j] = found;
    }
}
