// The sum, or the largest, of what the threads of one column hold: thread t holds the part of lane t / width of column t % width of 256 / width lanes.
template <bool LARGEST, typename S>
S over_lanes(S part, threadgroup S* parts, uint t, uint width) {
    uint lane = t / width;
    parts[t] = part;
    // All parts are there before any is read; then each halving is complete before the next reads it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint live = 256 / width; live > 1;) {
        uint kept = (live + 1) / 2;
        if (lane + kept < live) {
            S other = parts[t + kept * width];
            parts[t] = LARGEST ? max(parts[t], other) : parts[t] + other;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        live = kept;
    }
    S total = parts[t % width];
    // Read before the next call overwrites it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return total;
}

// 2^-e of a number with the exponent e, itself normal; 1 of zero and infinity.
inline float over_its_exponent(float x) {
    const int field = clamp(254 - int(as_type<uint>(x) >> 23), 1, 254);
    return x > 0.0f && x < INFINITY ? as_type<float>(uint(field) << 23) : 1.0f;
}
// double, which Metal has not.
template <typename S> S over_its_exponent(S x) {
    const int field = clamp(2046 - int(as_type<uint64_t>(x) >> 52), 1, 2046);
    return x > S(0) && x < S(INFINITY) ? as_type<S>(uint64_t(field) << 52) : S(1);
}
