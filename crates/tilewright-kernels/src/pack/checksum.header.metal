constant constexpr uint KEY = 0x9e3779b1u;
constant constexpr ulong LENGTH = 0x9e3779b97f4a7c15ul;

// A pair of words, the first of which is word j: checksum.rs.
inline ulong pair_of(uint a, uint b, uint j) {
    a += (j + 1) * KEY;
    b += (j + 2) * KEY;
    return (ulong(a) + 1) * (ulong(b) + 1);
}

// The sum of a threadgroup's, to its first thread.
inline ulong sum_of(ulong own, threadgroup ulong* parts, uint lane, uint lanes) {
    for (ushort mask = 16; mask > 0; mask /= 2) {
        const uint2 words = as_type<uint2>(own);
        own += as_type<ulong>(uint2(simd_shuffle_xor(words.x, mask), simd_shuffle_xor(words.y, mask)));
    }
    if (lane % 32 == 0) parts[lane / 32] = own;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // every SIMD group's part is there
    if (lane > 0) return 0;
    ulong sum = 0;
    for (uint part = 0; part < lanes / 32; ++part) sum += parts[part];
    return sum;
}
