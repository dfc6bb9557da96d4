// CUDA's side of the Metal dialect, the part that comes before types.h: storage words and bit conversions.
// For sm_80 and above, compiled by NVRTC with -default-device -std=c++17, without fast math.

#define TW_FN __device__ __forceinline__

// `threadgroup T x;` becomes TW_THREADGROUP T x; TW_DECLARED(x) where the emulator poisons it.
#define TW_THREADGROUP __shared__
#define TW_DECLARED(name)
#define TW_BODY_END

// Program-scope `constant`. An integer so declared can size an array; a table lies in cached global memory,
// not in
// __constant__, whose cache serves one address at a time while lanes index tables each at their own place.
// Beside it `static`, `constexpr` and another `const` are allowed.
#define TW_CONSTANT const __device__

namespace tw {

template <class To, class From> TW_FN To bit_cast(const From& from) {
    To to;
    memcpy(static_cast<void*>(&to), static_cast<const void*>(&from), sizeof(To));
    return to;
}

TW_FN float half_bits_to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
TW_FN unsigned short float_to_half_bits(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
TW_FN float bfloat_bits_to_float(unsigned short bits) { return __uint_as_float(unsigned(bits) << 16); }
TW_FN unsigned short float_to_bfloat_bits(float value) {
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

/// Which lane of its warp this thread is. Launches keep warps and Metal's SIMD groups the same
/// (tw::Position).
TW_FN unsigned lane() {
    unsigned lane;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane));
    return lane;
}

}  // namespace tw
