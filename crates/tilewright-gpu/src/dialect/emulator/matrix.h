// Metal's simdgroup_matrix: an 8x8 matrix of which each of the 32 lanes holds two neighbours of one row, in Apple's
// layout, which bodies see through thread_elements().

namespace tw_user::metal {

template <class T, int Columns, int Rows = Columns>
class simdgroup_matrix {
    static_assert(Columns == 8 && Rows == 8, "simdgroup_matrix is 8x8");
    static_assert(is_one_of<T, float, half, bfloat>::value, "simdgroup_matrix holds float, half or bfloat");
    vec<T, 2> mine;

public:
    using storage_type = vec<T, 2>;

    simdgroup_matrix() = default;
    /// The diagonal matrix of `value`.
    explicit simdgroup_matrix(T value) {
        for (int i = 0; i < 2; ++i) mine[i] = row() == column() + i ? value : T(0.0f);
    }

    storage_type& thread_elements() { return mine; }
    const storage_type& thread_elements() const { return mine; }

    /// Where this lane's first element lies; the second is in the next column.
    TW_RUNTIME static int row() {
        const unsigned lane = tw::current->index % 32;
        return int((lane / 4 & 4) + lane / 2 % 4);
    }
    TW_RUNTIME static int column() {
        const unsigned lane = tw::current->index % 32;
        return int((lane / 4 & 2) * 2 + lane % 2 * 2);
    }
};

using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

template <class T, int Columns, int Rows = Columns>
simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
    simdgroup_matrix<T, Columns, Rows> made;
    made.thread_elements() = vec<T, 2>(value);
    return made;
}

/// `origin` is (column, row) of the matrix in memory; `transpose` exchanges rows and columns of what is read.
template <class T>
void simdgroup_load(simdgroup_matrix<T, 8>& to, const T* from, ulong elements_per_row = 8, ulong2 origin = ulong2(0, 0),
                    bool transpose = false) {
    for (int i = 0; i < 2; ++i) {
        const ulong row = ulong(to.row()), column = ulong(to.column() + i);
        to.thread_elements()[i] = from[(origin.y + (transpose ? column : row)) * elements_per_row + origin.x + (transpose ? row : column)];
    }
}
template <class T>
void simdgroup_store(const simdgroup_matrix<T, 8>& from, T* to, ulong elements_per_row = 8, ulong2 origin = ulong2(0, 0),
                     bool transpose = false) {
    for (int i = 0; i < 2; ++i) {
        const ulong row = ulong(from.row()), column = ulong(from.column() + i);
        to[(origin.y + (transpose ? column : row)) * elements_per_row + origin.x + (transpose ? row : column)] = from.thread_elements()[i];
    }
}

/// d = a b + c, each element summed in float in the order of a's columns, starting with c's.
template <class D, class A, class B, class C>
TW_RUNTIME void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8>& d, simdgroup_matrix<A, 8> a, simdgroup_matrix<B, 8> b,
                                              simdgroup_matrix<C, 8> c, TW_SITE) {
    struct Share {
        float a[2], b[2];
    };
    Share share;
    for (int i = 0; i < 2; ++i) {
        share.a[i] = float(a.thread_elements()[i]);
        share.b[i] = float(b.thread_elements()[i]);
    }
    const auto met = tw::meet(share, {"simdgroup_multiply_accumulate", file, line});
    if (!met.all()) {
        tw::fault("barrier-divergence", "simdgroup_multiply_accumulate at %s:%d needs the 32 lanes of its SIMD group; %d came",
                  file, line, __builtin_popcount(met.lanes));
    }
    // The inverse of row() and column().
    const auto lane_of = [](int row, int column) {
        return unsigned((row & 4) * 4 + (column & 4) * 2 + row % 4 * 2 + column / 2 % 2);
    };
    const int row = d.row();
    vec<D, 2> result;
    for (int i = 0; i < 2; ++i) {
        const int column = d.column() + i;
        float sum = float(c.thread_elements()[i]);
        for (int k = 0; k < 8; ++k) {
            sum = ::fmaf(met[lane_of(row, k)].a[k % 2], met[lane_of(k, column)].b[column % 2], sum);
        }
        result[i] = D(sum);
    }
    d.thread_elements() = result;
}
template <class D, class A, class B>
TW_RUNTIME void simdgroup_multiply(simdgroup_matrix<D, 8>& d, simdgroup_matrix<A, 8> a, simdgroup_matrix<B, 8> b, TW_SITE) {
    simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<float, 8>(0.0f), line, file);
}
template <class T>
TW_RUNTIME simdgroup_matrix<T, 8> operator*(simdgroup_matrix<T, 8> a, simdgroup_matrix<T, 8> b) {
    simdgroup_matrix<T, 8> product;
    simdgroup_multiply(product, a, b);
    return product;
}

}  // namespace tw_user::metal
