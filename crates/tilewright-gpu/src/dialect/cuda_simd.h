// CUDA's side of the Metal dialect: SIMD-group and quad-group functions. Follows cuda_threads.h.
//
// As in Metal, a function works over its active lanes: those that call it together. Absent lanes (a group
// that is no multiple of 32), exited lanes and lanes on another path are never read. Reductions and scans of
// a full warp are exchanges in a fixed order; otherwise the active lanes follow one another in order of their
// index. A lane that asks for the value of a lane that is inactive or outside the group (undefined in Metal)
// gets its own. half and bfloat are reduced and scanned in float and rounded once. max and min pass over NaN,
// as fmax and fmin do.

namespace tw_user::metal {

/// The lanes that call this together.
TW_FN uint tw_active_lanes() {
    const uint mask = __activemask();
    // Never so. But a loop that could end here is not unrolled with a remainder, which would send lanes of
    // different trip counts apart; one with a constant count still is, whole.
    if (mask == 0u) {
        __trap();
        __builtin_unreachable();
    }
    return mask;
}

/// `value` as lane `source` holds it. Every lane of `mask` calls this together; `source` is one of them.
template <class T> TW_FN T tw_from_lane(uint mask, const T& value, uint source) {
    if constexpr (sizeof(T) == 4) {
        return tw::bit_cast<T>(__shfl_sync(mask, tw::bit_cast<uint>(value), int(source)));
    } else if constexpr (sizeof(T) == 1) {
        return tw::bit_cast<T>(uchar(__shfl_sync(mask, uint(tw::bit_cast<uchar>(value)), int(source))));
    } else if constexpr (sizeof(T) == 2) {
        return tw::bit_cast<T>(ushort(__shfl_sync(mask, uint(tw::bit_cast<ushort>(value)), int(source))));
    } else {
        static_assert(sizeof(T) % 4 == 0, "a lane's value has 1, 2 or a multiple of 4 bytes");
        using words = tw_elements<uint, sizeof(T) / 4>;
        words all = tw::bit_cast<words>(value);
        for (int i = 0; i < int(sizeof(T) / 4); ++i) all.e[i] = __shfl_sync(mask, all.e[i], int(source));
        return tw::bit_cast<T>(all);
    }
}

struct tw_add_lanes {
    template <class T> TW_FN T operator()(const T& a, const T& b) const { return T(a + b); }
    static TW_FN uint reduce(uint mask, uint v) { return __reduce_add_sync(mask, v); }
    static TW_FN int reduce(uint mask, int v) { return __reduce_add_sync(mask, v); }
};
struct tw_multiply_lanes {
    template <class T> TW_FN T operator()(const T& a, const T& b) const { return T(a * b); }
};
struct tw_max_lanes {
    template <class T> TW_FN T operator()(const T& a, const T& b) const { return max(a, b); }
    static TW_FN uint reduce(uint mask, uint v) { return __reduce_max_sync(mask, v); }
    static TW_FN int reduce(uint mask, int v) { return __reduce_max_sync(mask, v); }
};
struct tw_min_lanes {
    template <class T> TW_FN T operator()(const T& a, const T& b) const { return min(a, b); }
    static TW_FN uint reduce(uint mask, uint v) { return __reduce_min_sync(mask, v); }
    static TW_FN int reduce(uint mask, int v) { return __reduce_min_sync(mask, v); }
};
struct tw_and_lanes {
    template <class T> TW_FN T operator()(const T& a, const T& b) const { return T(a & b); }
    static TW_FN uint reduce(uint mask, uint v) { return __reduce_and_sync(mask, v); }
    static TW_FN int reduce(uint mask, int v) { return int(__reduce_and_sync(mask, uint(v))); }
};
struct tw_or_lanes {
    template <class T> TW_FN T operator()(const T& a, const T& b) const { return T(a | b); }
    static TW_FN uint reduce(uint mask, uint v) { return __reduce_or_sync(mask, v); }
    static TW_FN int reduce(uint mask, int v) { return int(__reduce_or_sync(mask, uint(v))); }
};
struct tw_xor_lanes {
    template <class T> TW_FN T operator()(const T& a, const T& b) const { return T(a ^ b); }
    static TW_FN uint reduce(uint mask, uint v) { return __reduce_xor_sync(mask, v); }
    static TW_FN int reduce(uint mask, int v) { return int(__reduce_xor_sync(mask, uint(v))); }
};

/// A set of lanes, one bit each.
struct simd_vote {
    using vote_t = ulong;
    vote_t bits;

    explicit constexpr simd_vote(vote_t v = 0) : bits(v) {}
    explicit constexpr operator vote_t() const { return bits; }
    constexpr bool all() const { return bits == 0xfffffffful; }
    constexpr bool any() const { return bits != 0; }
    constexpr bool operator==(simd_vote v) const { return bits == v.bits; }
    constexpr bool operator!=(simd_vote v) const { return bits != v.bits; }
    constexpr simd_vote operator&(simd_vote v) const { return simd_vote(bits & v.bits); }
    constexpr simd_vote operator|(simd_vote v) const { return simd_vote(bits | v.bits); }
    constexpr simd_vote operator^(simd_vote v) const { return simd_vote(bits ^ v.bits); }
    constexpr simd_vote operator~() const { return simd_vote(~bits & 0xfffffffful); }
};
struct quad_vote {
    using vote_t = ulong;
    vote_t bits;

    explicit constexpr quad_vote(vote_t v = 0) : bits(v) {}
    explicit constexpr operator vote_t() const { return bits; }
    constexpr bool all() const { return bits == 0xful; }
    constexpr bool any() const { return bits != 0; }
};

/// The functions over aligned groups of Width lanes of a warp: 32 for simd_*, 4 for quad_*.
template <uint Width> struct tw_lane_group {
    uint mask;   // the active lanes of the warp
    uint lane;   // of the warp
    uint first;  // lane of the group's first place

    TW_FN tw_lane_group() : mask(tw_active_lanes()), lane(tw::lane()), first(lane & ~(Width - 1u)) {}
    TW_FN uint place() const { return lane - first; }
    TW_FN uint members() const { return mask >> first & uint((1ul << Width) - 1ul); }
    TW_FN bool has(uint other) const { return other < Width && (members() >> other & 1u); }

    template <class T> TW_FN T read(const T& value, uint other) const {
        return tw_from_lane(mask, value, has(other) ? first + other : lane);
    }

    template <class Op, class T> TW_FN T reduce(const T& value) const {
        if constexpr (tw_is_vector<T>::value) {
            return tw_each<T>([this](auto v) { return reduce<Op>(v); }, value);
        } else if constexpr (tw_is_small_float<T>::value) {
            return T(reduce<Op>(float(value)));
        } else if constexpr (Width == 32 && is_integral<T>::value && sizeof(T) <= 4 &&
                             !is_same<Op, tw_multiply_lanes>::value) {
            return T(Op::reduce(mask, conditional_t<is_signed<T>::value, int, uint>(value)));
        } else {
            const Op op;
            T total = value;
            if (mask == ~0u) {
                for (uint distance = Width / 2u; distance != 0u; distance /= 2u) {
                    total = op(total, tw_from_lane(mask, total, lane ^ distance));
                }
                return total;
            }
            bool begun = false;
#pragma unroll 1
            for (uint other = 0u; other < Width; ++other) {
                const T theirs = read(value, other);
                if (!has(other)) continue;
                total = begun ? op(total, theirs) : theirs;
                begun = true;
            }
            return total;
        }
    }

    template <class Op, bool Inclusive, class T> TW_FN T scan(const T& value, const T& identity) const {
        if constexpr (tw_is_vector<T>::value) {
            return tw_each<T>([this](auto v, auto w) { return scan<Op, Inclusive>(v, w); }, value, identity);
        } else if constexpr (tw_is_small_float<T>::value) {
            return T(scan<Op, Inclusive>(float(value), float(identity)));
        } else {
            const Op op;
            if (mask == ~0u) {
                T total = value;
                for (uint distance = 1u; distance < Width; distance *= 2u) {
                    const T before = tw_from_lane(mask, total, place() >= distance ? lane - distance : lane);
                    if (place() >= distance) total = op(before, total);
                }
                if (Inclusive) return total;
                const T before = tw_from_lane(mask, total, place() >= 1u ? lane - 1u : lane);
                return place() >= 1u ? before : identity;
            }
            T total = identity;
            bool begun = false;
#pragma unroll 1
            for (uint other = 0u; other < Width; ++other) {
                const T theirs = read(value, other);
                if (!has(other) || other > place() || (!Inclusive && other == place())) continue;
                total = begun ? op(total, theirs) : theirs;
                begun = true;
            }
            return total;
        }
    }

    template <class T> TW_FN T rotate(const T& value, uint by) const {
        return read(value, (place() + by) & (Width - 1u));
    }
    /// Within segments of `modulo` lanes: what moves in from beyond the segment's end comes from `filling`.
    template <class T> TW_FN T fill_up(const T& value, const T& filling, uint by, uint modulo) const {
        const uint within = place() & (modulo - 1u),
                   source = place() - within + ((within - by) & (modulo - 1u));
        const T moved = read(value, source), filled = read(filling, source);
        return within >= by ? moved : filled;
    }
    template <class T> TW_FN T fill_down(const T& value, const T& filling, uint by, uint modulo) const {
        const uint within = place() & (modulo - 1u),
                   source = place() - within + ((within + by) & (modulo - 1u));
        const T moved = read(value, source), filled = read(filling, source);
        return within + by < modulo ? moved : filled;
    }
    TW_FN uint ballot(bool predicate) const {
        return __ballot_sync(mask, predicate) >> first & uint((1ul << Width) - 1ul);
    }
};

/// What a lane's value is passed as: a swizzle as the vector that it reads as.
template <class X, bool = tw_is_vector<X>::value> struct tw_lane_value { using type = X; };
template <class X> struct tw_lane_value<X, true> : tw_read_as<X> {};
template <class X> using tw_lane_value_t = typename tw_lane_value<X>::type;

#define TW_LANE_FUNCTION(name, Width, expression)                                  \
    template <class X, class T = tw_lane_value_t<X>> TW_FN T name(const X& data) { \
        const tw_lane_group<Width> group;                                          \
        const T value(data);                                                       \
        return expression;                                                         \
    }
#define TW_LANE_FUNCTION_AT(name, Width, expression)                                         \
    template <class X, class T = tw_lane_value_t<X>> TW_FN T name(const X& data, ushort n) { \
        const tw_lane_group<Width> group;                                                    \
        const T value(data);                                                                 \
        return expression;                                                                   \
    }
#define TW_LANE_FUNCTIONS(prefix, Width)                                                               \
    TW_LANE_FUNCTION(prefix##_sum, Width, group.template reduce<tw_add_lanes>(value))                  \
    TW_LANE_FUNCTION(prefix##_product, Width, group.template reduce<tw_multiply_lanes>(value))         \
    TW_LANE_FUNCTION(prefix##_max, Width, group.template reduce<tw_max_lanes>(value))                  \
    TW_LANE_FUNCTION(prefix##_min, Width, group.template reduce<tw_min_lanes>(value))                  \
    TW_LANE_FUNCTION(prefix##_and, Width, group.template reduce<tw_and_lanes>(value))                  \
    TW_LANE_FUNCTION(prefix##_or, Width, group.template reduce<tw_or_lanes>(value))                    \
    TW_LANE_FUNCTION(prefix##_xor, Width, group.template reduce<tw_xor_lanes>(value))                  \
    TW_LANE_FUNCTION(prefix##_prefix_inclusive_sum, Width,                                             \
                     (group.template scan<tw_add_lanes, true>(value, T(0))))                           \
    TW_LANE_FUNCTION(prefix##_prefix_exclusive_sum, Width,                                             \
                     (group.template scan<tw_add_lanes, false>(value, T(0))))                          \
    TW_LANE_FUNCTION(prefix##_prefix_inclusive_product, Width,                                         \
                     (group.template scan<tw_multiply_lanes, true>(value, T(1))))                      \
    TW_LANE_FUNCTION(prefix##_prefix_exclusive_product, Width,                                         \
                     (group.template scan<tw_multiply_lanes, false>(value, T(1))))                     \
    TW_LANE_FUNCTION(prefix##_broadcast_first, Width,                                                  \
                     group.read(value, uint(__ffs(int(group.members())) - 1)))                         \
    TW_LANE_FUNCTION_AT(prefix##_broadcast, Width, group.read(value, n))                               \
    TW_LANE_FUNCTION_AT(prefix##_shuffle, Width, group.read(value, n))                                 \
    TW_LANE_FUNCTION_AT(prefix##_shuffle_xor, Width, group.read(value, group.place() ^ n))             \
    TW_LANE_FUNCTION_AT(prefix##_shuffle_up, Width, group.read(value, group.place() - n))              \
    TW_LANE_FUNCTION_AT(prefix##_shuffle_down, Width, group.read(value, group.place() + n))            \
    TW_LANE_FUNCTION_AT(prefix##_shuffle_rotate_up, Width, group.rotate(value, 0u - n))                \
    TW_LANE_FUNCTION_AT(prefix##_shuffle_rotate_down, Width, group.rotate(value, n))                   \
    template <class T>                                                                                 \
    TW_FN T prefix##_shuffle_and_fill_up(T data, T filling, ushort n, ushort modulo = Width) {         \
        return tw_lane_group<Width>().fill_up(data, filling, n, modulo);                               \
    }                                                                                                  \
    template <class T>                                                                                 \
    TW_FN T prefix##_shuffle_and_fill_down(T data, T filling, ushort n, ushort modulo = Width) {       \
        return tw_lane_group<Width>().fill_down(data, filling, n, modulo);                             \
    }                                                                                                  \
    TW_FN bool prefix##_any(bool predicate) { return tw_lane_group<Width>().ballot(predicate) != 0u; } \
    TW_FN bool prefix##_all(bool predicate) {                                                          \
        const tw_lane_group<Width> group;                                                              \
        return group.ballot(predicate) == group.members();                                             \
    }                                                                                                  \
    TW_FN prefix##_vote prefix##_ballot(bool predicate) {                                              \
        return prefix##_vote(tw_lane_group<Width>().ballot(predicate));                                \
    }                                                                                                  \
    TW_FN prefix##_vote prefix##_active_threads_mask() {                                               \
        return prefix##_vote(tw_lane_group<Width>().members());                                        \
    }                                                                                                  \
    TW_FN bool prefix##_is_first() {                                                                   \
        const tw_lane_group<Width> group;                                                              \
        return (group.members() & ((1u << group.place()) - 1u)) == 0u;                                 \
    }
TW_LANE_FUNCTIONS(simd, 32)
TW_LANE_FUNCTIONS(quad, 4)
#undef TW_LANE_FUNCTIONS
#undef TW_LANE_FUNCTION
#undef TW_LANE_FUNCTION_AT

TW_FN bool simd_is_helper_thread() { return false; }

}  // namespace tw_user::metal
