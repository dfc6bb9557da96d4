// The sum, or the largest, of what the threads of one column hold: thread t holds the part of lane t / width of column t % width of 256 / width lanes.
template <bool LARGEST>
float over_lanes(float part, threadgroup float* parts, uint t, uint width) {
    uint lane = t / width;
    parts[t] = part;
    // All parts are there before any is read; then each halving is complete before the next reads it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint live = 256 / width; live > 1;) {
        uint kept = (live + 1) / 2;
        if (lane + kept < live) {
            float other = parts[t + kept * width];
            parts[t] = LARGEST ? max(parts[t], other) : parts[t] + other;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        live = kept;
    }
    float total = parts[t % width];
    // Read before the next call overwrites it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return total;
}

