template <typename S> inline S magnitude(S x) { return x < S(0) ? -x : x; }

// The larger or smaller of two numbers >= 0; NaN if one is.
template <bool LARGER, typename S> inline S best(S a, S b) {
    return (LARGER ? b > a : b < a) || b != b ? b : a;
}

// Over all threads of a group of SIMDS SIMD groups.
template <bool LARGER, int SIMDS, typename S> inline S group_best(S value, threadgroup S* parts, uint t) {
#pragma unroll
    for (ushort distance = 16; distance > 0; distance /= 2) value = best<LARGER, S>(value, simd_shuffle_xor(value, distance));
    if (SIMDS == 1) return value;
    // What was there was read before it changes.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (t % 32 == 0) parts[t / 32] = value;
    // All are there before they are compared.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int g = 0; g < SIMDS; ++g) value = best<LARGER, S>(value, parts[g]);
    return value;
}

template <int SIMDS, typename S> inline S group_sum(S value, threadgroup S* parts, uint t) {
    value = simd_sum(value);
    if (SIMDS == 1) return value;
    // What was there was read before it changes.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (t % 32 == 0) parts[t / 32] = value;
    // All are there before they are added.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    S total = S(0);
    for (int g = 0; g < SIMDS; ++g) total += parts[g];
    return total;
}
