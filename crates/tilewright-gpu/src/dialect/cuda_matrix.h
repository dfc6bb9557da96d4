// CUDA's side of the Metal dialect: simdgroup_matrix, 8 x 8 elements held by the 32 lanes of a SIMD group,
// two each. Follows cuda_simd.h. All 32 lanes must be there and call these functions together, as in Metal.

namespace tw_user::metal {

/// Lane l holds row (l>>4)*4 + (l>>1)%4, columns c and c+1 with c = (l>>3)%2*4 + l%2*2: the layout that Apple
/// GPUs have and that thread_elements() shows. In bits of the lane: row = 4 2 1, column / 2 = 3 0.
TW_FN uint tw_matrix_row(uint lane) { return (lane >> 4) * 4u + (lane >> 1) % 4u; }
TW_FN uint tw_matrix_column(uint lane) { return (lane >> 3) % 2u * 4u + lane % 2u * 2u; }
TW_FN uint tw_matrix_lane(uint row, uint column) {
    return (row >> 2) << 4 | (column >> 2) << 3 | (row & 3u) << 1 | (column >> 1 & 1u);
}

template <class T, int Columns, int Rows> struct simdgroup_matrix {
    static_assert(Columns == 8 && Rows == 8, "simdgroup_matrix is 8 x 8");
    static_assert(is_same<T, float>::value || tw_is_small_float<T>::value,
                  "simdgroup_matrix holds float, half or bfloat");
    vec<T, 2> pair;

    simdgroup_matrix() = default;
    /// `diagonal` on the diagonal, 0 elsewhere.
    TW_FN explicit simdgroup_matrix(T diagonal) {
        const uint row = tw_matrix_row(tw::lane()), column = tw_matrix_column(tw::lane());
        pair = vec<T, 2>(row == column ? diagonal : T(0.0f), row == column + 1u ? diagonal : T(0.0f));
    }
    TW_FN vec<T, 2>& thread_elements() { return pair; }
    TW_FN const vec<T, 2>& thread_elements() const { return pair; }
};
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

template <class T, int Columns, int Rows, class X>
TW_FN simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(X value) {
    simdgroup_matrix<T, Columns, Rows> filled;
    filled.pair = vec<T, 2>(T(value));
    return filled;
}

/// The place of element (origin.x + column, origin.y + row), which transposition mirrors as a whole, origin
/// included.
TW_FN ulong tw_matrix_offset(ulong column, ulong row, ulong elements_per_row, ulong2 origin,
                             bool transposed) {
    const ulong x = origin.x + column, y = origin.y + row;
    return transposed ? x * elements_per_row + y : y * elements_per_row + x;
}
template <class T>
TW_FN void simdgroup_load(simdgroup_matrix<T, 8, 8>& matrix, const T* src, ulong elements_per_row = 8,
                          ulong2 origin = ulong2(0ul), bool transposed = false) {
    const uint row = tw_matrix_row(tw::lane()), column = tw_matrix_column(tw::lane());
    matrix.pair.x = src[tw_matrix_offset(column, row, elements_per_row, origin, transposed)];
    matrix.pair.y = src[tw_matrix_offset(column + 1u, row, elements_per_row, origin, transposed)];
}
template <class T>
TW_FN void simdgroup_store(const simdgroup_matrix<T, 8, 8>& matrix, T* dst, ulong elements_per_row = 8,
                           ulong2 origin = ulong2(0ul), bool transposed = false) {
    const uint row = tw_matrix_row(tw::lane()), column = tw_matrix_column(tw::lane());
    dst[tw_matrix_offset(column, row, elements_per_row, origin, transposed)] = matrix.pair.x;
    dst[tw_matrix_offset(column + 1u, row, elements_per_row, origin, transposed)] = matrix.pair.y;
}

/// c + a b for this lane's two elements, in float: eight fused multiply-adds each, in order.
template <class A, class B>
TW_FN float2 tw_matrix_pair_product(const simdgroup_matrix<A, 8, 8>& a, const simdgroup_matrix<B, 8, 8>& b,
                                    float2 c) {
    const uint row = tw_matrix_row(tw::lane()), column = tw_matrix_column(tw::lane());
    for (uint k = 0u; k < 8u; k += 2u) {
        const vec<A, 2> left = simd_shuffle(a.pair, ushort(tw_matrix_lane(row, k)));
        const vec<B, 2> upper = simd_shuffle(b.pair, ushort(tw_matrix_lane(k, column)));
        const vec<B, 2> lower = simd_shuffle(b.pair, ushort(tw_matrix_lane(k + 1u, column)));
        c = fma(float2(float(left.x)), float2(upper), c);
        c = fma(float2(float(left.y)), float2(lower), c);
    }
    return c;
}

/// The same by the tensor cores, for inputs of 16 bits, whose products are exact in float. (For float inputs
/// they would round to TF32.) They hold row l/4, columns l%4*2 and the next in lane l, so that operands and
/// result change lanes.
template <class Code>
TW_FN float2 tw_matrix_pair_product(const simdgroup_matrix<tw_small_float<Code>, 8, 8>& a,
                                    const simdgroup_matrix<tw_small_float<Code>, 8, 8>& b, float2 c) {
    const uint lane = tw::lane(), there = tw_matrix_lane(lane / 4u, lane % 4u * 2u);
    const uint back = tw_matrix_row(lane) * 4u + tw_matrix_column(lane) / 2u;
    const uint left = tw_from_lane(~0u, as_type<uint>(a.pair), there),
               straight = tw_from_lane(~0u, as_type<uint>(b.pair), there);
    const float2 sum = tw_from_lane(~0u, c, there);
    uint right;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(right) : "r"(straight));
    // The tensor cores' smallest product has 16 rows: the last 8 are zero.
    float x, y, unused[2];
    if constexpr (is_same<tw_small_float<Code>, half>::value) {
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%8,%9,%9};"
            : "=f"(x), "=f"(y), "=f"(unused[0]), "=f"(unused[1])
            : "r"(left), "r"(0u), "r"(right), "f"(sum.x), "f"(sum.y), "f"(0.0f));
    } else {
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%8,%9,%9};"
            : "=f"(x), "=f"(y), "=f"(unused[0]), "=f"(unused[1])
            : "r"(left), "r"(0u), "r"(right), "f"(sum.x), "f"(sum.y), "f"(0.0f));
    }
    return tw_from_lane(~0u, float2(x, y), back);
}

/// d = a b + c. Summed in float, whatever the types; a half or bfloat result is rounded once.
template <class D, class A, class B, class C>
TW_FN void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8>& d, const simdgroup_matrix<A, 8, 8>& a,
                                         const simdgroup_matrix<B, 8, 8>& b,
                                         const simdgroup_matrix<C, 8, 8>& c) {
    d.pair = vec<D, 2>(tw_matrix_pair_product(a, b, float2(c.pair)));
}
template <class D, class A, class B>
TW_FN void simdgroup_multiply(simdgroup_matrix<D, 8, 8>& d, const simdgroup_matrix<A, 8, 8>& a,
                              const simdgroup_matrix<B, 8, 8>& b) {
    d.pair = vec<D, 2>(tw_matrix_pair_product(a, b, float2(0.0f)));
}
template <class T>
TW_FN simdgroup_matrix<T, 8, 8> operator*(const simdgroup_matrix<T, 8, 8>& a,
                                          const simdgroup_matrix<T, 8, 8>& b) {
    simdgroup_matrix<T, 8, 8> d;
    simdgroup_multiply(d, a, b);
    return d;
}

}  // namespace tw_user::metal
