constant constexpr uint NOBODY = 0xffffffffu;

// A time and its token, as a number whose order is theirs.
inline ulong lap(float time, uint token) { return ulong(as_type<uint>(time)) << 32 | token; }

inline ulong earlier(ulong a, ulong b) { return a < b ? a : b; }

// The least of a threadgroup, to all threads.
inline ulong first_of(ulong own, threadgroup ulong* parts, uint lane, uint lanes) {
    for (ushort mask = 16; mask > 0; mask /= 2) {
        const uint2 words = as_type<uint2>(own);
        own = earlier(own, as_type<ulong>(uint2(simd_shuffle_xor(words.x, mask), simd_shuffle_xor(words.y, mask))));
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the parts of the race before were read
    if (lane % 32 == 0) parts[lane / 32] = own;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // every SIMD group's part is there
    for (uint part = 0; part < lanes / 32; ++part) own = earlier(own, parts[part]);
    return own;
}
