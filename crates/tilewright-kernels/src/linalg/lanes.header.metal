// Over all lanes of a SIMD group, which are there: CUDA would have to ask which ones are.
#ifdef __CUDA_ARCH__
template <typename S> inline S sum_of_all(S x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
    return x;
}
template <typename S> inline S of_lane_before(S x) { return __shfl_up_sync(0xffffffffu, x, 1); }
inline uint votes_of_all(bool x) { return __ballot_sync(0xffffffffu, x); }
inline uint largest_of_all(uint x) { return __reduce_max_sync(0xffffffffu, x); }
#else
template <typename S> inline S sum_of_all(S x) { return simd_sum(x); }
template <typename S> inline S of_lane_before(S x) { return simd_shuffle_up(x, 1); }
inline uint votes_of_all(bool x) { return uint(ulong(simd_ballot(x))); }
inline uint largest_of_all(uint x) { return simd_max(x); }
#endif
