// One chunk of rows: FIRST finds the largest element of each column; the second launch divides by a power of two near the largest of all chunks, and adds up squares.
uint chunk = threadgroup_position_in_grid.x % chunks;
ulong batch = threadgroup_position_in_grid.x / chunks;
uint first = chunk * rows, end = min(first + rows, m);
for (uint j = thread_position_in_threadgroup.x; j < n; j += 256) {
    float factor = 1.0f;
    if (!FIRST) {
        float largest = 0.0f;
        for (uint other = 0; other < chunks; ++other) {
            largest = max(largest, parts[(batch * chunks + other) * n + j]);
        }
        // 2^-e, itself a normal number; an infinite column stays as it is.
        int field = clamp(254 - int(as_type<uint>(largest) >> 23), 1, 254);
        factor = largest > 0.0f && largest < INFINITY ? as_type<float>(uint(field) << 23) : 1.0f;
    }
    float found = 0.0f;
    for (uint row = first; row < end; ++row) {
        ulong place = (batch * m + row) * n + j;
        float value = a[place] * factor;
        // A NaN fails every comparison: it neither hides the other elements nor gets lost in w.
        found = FIRST ? max(found, fabs(value)) : found + value * value;
        if (!FIRST) {
            w[place] = value;
        }
    }
    out[(batch * chunks + chunk) * n + j] = found;
}
