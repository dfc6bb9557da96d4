// A candidate as its distance and id; (infinity, -1) of none.
inline void show(ulong candidate, size_t at, device float* distances, device int64_t* ids) {
    const uint key = ~uint(candidate >> 32);
    const uint bits = key >> 31 ? key ^ 0x80000000u : ~key;
    distances[at] = candidate == 0 ? INFINITY : key == ~0u ? NAN : as_type<float>(bits);
    ids[at] = candidate == 0 ? int64_t(-1) : int64_t(~uint(candidate));
}
