// One chunk of rows: FIRST finds the largest element of each column; the second launch divides by a power of two near the largest of all chunks, and adds
// up squares. Threads lie over as many whole rows as fit, so that together they read consecutive memory.
threadgroup float lane_parts[256];
uint chunk = threadgroup_position_in_grid.x % chunks;
ulong batch = threadgroup_position_in_grid.x / chunks;
uint first = chunk * rows, end = min(first + rows, m);
uint t = thread_position_in_threadgroup.x;
uint width = min(n, 256u), lanes = 256 / width, lane = t / width;
for (uint base = 0; base < n; base += width) {
    uint j = base + t % width;
    bool active = lane < lanes && j < n;
    float factor = 1.0f;
    if (!FIRST && active) {
        float largest = 0.0f;
        for (uint other = 0; other < chunks; ++other) {
            largest = max(largest, parts[(batch * chunks + other) * n + j]);
        }
        // 2^-e, itself a normal number; an infinite column stays as it is.
        int field = clamp(254 - int(as_type<uint>(largest) >> 23), 1, 254);
        factor = largest > 0.0f && largest < INFINITY ? as_type<float>(uint(field) << 23) : 1.0f;
    }
    float found = 0.0f;
    for (uint row = active ? first + lane : end; row < end; row += lanes) {
        ulong place = (batch * m + row) * n + j;
        float value = a[place] * factor;
        // max ignores a NaN, so it hides no other element; it stays in w, and makes its column's norm NaN.
        found = FIRST ? max(found, fabs(value)) : found + value * value;
        if (!FIRST) {
            w[place] = value;
        }
    }
    found = over_lanes<FIRST>(found, lane_parts, t, width);
    if (active && lane == 0) {
        out[(batch * chunks + chunk) * n + j] = found;
    }
}
