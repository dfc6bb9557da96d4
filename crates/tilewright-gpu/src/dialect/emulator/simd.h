// Metal's built-ins, barriers and SIMD operations over the meetings of schedule.h. SIMD operations work over the lanes
// that came; with all 32 a reduction is the butterfly and a prefix the five-step scan, in cuda.h's order of operations,
// so that float results agree bit for bit.
//
// Arguments are taken by value: what is read from memory is then read in the author's code, where it is checked.

// Where a function is called from, as its last two parameters.
#define TW_SITE int line = __builtin_LINE(), const char *file = __builtin_FILE()

namespace tw {

/// What a lane brings: a vector for whatever reads as one, else the value itself.
template <class X, bool = tw_user::metal::is_vector<X>::value>
struct brought {
    using type = X;
};
template <class X>
struct brought<X, true> {
    using type = tw_user::metal::vector_t<X>;
};
template <class X>
using brought_t = typename brought<X>::type;

/// `operation` over the lanes of `met` in [first, first + width).
template <class T, class Operation>
TW_RUNTIME T combine(const Met<T>& met, unsigned first, unsigned width, Operation operation) {
    const unsigned present = met.lanes >> first & (width == 32 ? 0xffffffffu : (1u << width) - 1u);
    T values[32];
    unsigned count = 0;
    for (unsigned i = 0; i < width; ++i) {
        if (present >> i & 1u) values[count++] = met[first + i];
    }
    if (count == width) {
        for (unsigned half_width = width / 2; half_width; half_width /= 2) {
            for (unsigned i = 0; i < half_width; ++i) values[i] = operation(values[i], values[i + half_width]);
        }
    } else {
        for (unsigned i = 1; i < count; ++i) values[0] = operation(values[0], values[i]);
    }
    return values[0];
}

/// `operation` over the lanes of `met` from `first` to this one.
template <class T, class Operation>
TW_RUNTIME T scan(const Met<T>& met, unsigned first, unsigned width, unsigned self, Operation operation) {
    const unsigned all = width == 32 ? 0xffffffffu : (1u << width) - 1u;
    T values[32];
    if ((met.lanes >> first & all) == all) {
        for (unsigned i = 0; i < width; ++i) values[i] = met[first + i];
        for (unsigned step = 1; step < width; step *= 2) {
            for (unsigned i = width - 1; i >= step; --i) values[i] = operation(values[i - step], values[i]);
        }
        return values[self - first];
    }
    bool any = false;
    for (unsigned i = first; i <= self; ++i) {
        if (!met.came(i)) continue;
        values[0] = any ? operation(values[0], met[i]) : met[i];
        any = true;
    }
    return values[0];
}

/// The last lane before this one that came; this one itself if there is none.
template <class T>
TW_RUNTIME unsigned lane_before(const Met<T>& met, unsigned first) {
    for (unsigned i = met.self; i-- > first;) {
        if (met.came(i)) return i;
    }
    return met.self;
}

template <class T>
struct Pair {
    T first, second;
};
/// The lowest of the lanes in `lanes`, which is not empty.
TW_RUNTIME inline unsigned first_lane(unsigned lanes) { return unsigned(__builtin_ctz(lanes)); }

/// The lanes that voted for, a bit each.
template <unsigned Width>
class Vote {
public:
    using vote_t = unsigned long;

    Vote() = default;
    TW_RUNTIME explicit constexpr Vote(vote_t votes) : bits(votes) {}
    TW_RUNTIME explicit constexpr operator vote_t() const { return bits; }
    TW_RUNTIME constexpr bool all() const { return bits == (vote_t(1) << Width) - 1u; }
    TW_RUNTIME constexpr bool any() const { return bits != 0; }

private:
    vote_t bits;
};

}  // namespace tw

namespace tw_user::metal {

enum class mem_flags : uint {
    mem_none = 0,
    mem_device = 1,
    mem_threadgroup = 2,
    mem_texture = 4,
    mem_threadgroup_imageblock = 8,
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint(a) | uint(b)); }
constexpr mem_flags operator&(mem_flags a, mem_flags b) { return mem_flags(uint(a) & uint(b)); }

TW_RUNTIME inline void threadgroup_barrier(mem_flags flags, TW_SITE) {
    tw::barrier(tw::at_barrier, unsigned(flags), {"threadgroup_barrier", file, line});
}
TW_RUNTIME inline void simdgroup_barrier(mem_flags flags, TW_SITE) {
    tw::barrier(tw::at_simd_barrier, unsigned(flags), {"simdgroup_barrier", file, line});
}

// The same for SIMD groups of 32 and for quads of 4 lanes.
#define TW_LANES(group, width) \
    TW_LANES_REDUCE(group, width, sum, a + b) \
    TW_LANES_REDUCE(group, width, product, a * b) \
    TW_LANES_REDUCE(group, width, min, min(a, b)) \
    TW_LANES_REDUCE(group, width, max, max(a, b)) \
    TW_LANES_REDUCE(group, width, and, a & b) \
    TW_LANES_REDUCE(group, width, or, a | b) \
    TW_LANES_REDUCE(group, width, xor, a ^ b) \
    TW_LANES_SCAN(group, width, sum, a + b, 0) \
    TW_LANES_SCAN(group, width, product, a * b, 1) \
    TW_LANES_MOVE(group, width, broadcast, ushort lane, lane < width ? first + lane : met.self) \
    TW_LANES_MOVE(group, width, shuffle, ushort lane, lane < width ? first + lane : met.self) \
    TW_LANES_MOVE(group, width, shuffle_xor, ushort mask, (self ^ mask) < width ? first + (self ^ mask) : met.self) \
    TW_LANES_MOVE(group, width, shuffle_up, ushort delta, self >= delta ? met.self - delta : met.self) \
    TW_LANES_MOVE(group, width, shuffle_down, ushort delta, self + delta < width ? met.self + delta : met.self) \
    TW_LANES_MOVE(group, width, shuffle_rotate_up, ushort delta, first + (self + width - delta % width) % width) \
    TW_LANES_MOVE(group, width, shuffle_rotate_down, ushort delta, first + (self + delta) % width) \
    TW_LANES_FILL(group, width, up, self % modulo >= delta, met.self - delta, met.self + modulo - delta) \
    TW_LANES_FILL(group, width, down, self % modulo + delta < modulo, met.self + delta, met.self + delta - modulo) \
    template <class X, class T = tw::brought_t<X>> \
    TW_RUNTIME T group##_broadcast_first(X x, TW_SITE) { \
        const auto met = tw::meet<T>(T(x), {#group "_broadcast_first", file, line}); \
        return met[met.self & ~(width - 1u) | tw::first_lane(met.lanes >> (met.self & ~(width - 1u)))]; \
    } \
    TW_RUNTIME inline bool group##_any(bool predicate, TW_SITE) { \
        const auto met = tw::meet(predicate, {#group "_any", file, line}); \
        return tw::combine(met, met.self & ~(width - 1u), width, [](bool a, bool b) { return a || b; }); \
    } \
    TW_RUNTIME inline bool group##_all(bool predicate, TW_SITE) { \
        const auto met = tw::meet(predicate, {#group "_all", file, line}); \
        return tw::combine(met, met.self & ~(width - 1u), width, [](bool a, bool b) { return a && b; }); \
    } \
    TW_RUNTIME inline group##_vote group##_ballot(bool predicate, TW_SITE) { \
        const auto met = tw::meet(predicate, {#group "_ballot", file, line}); \
        const unsigned first = met.self & ~(width - 1u); \
        ulong votes = 0; \
        for (unsigned i = 0; i < width; ++i) votes |= ulong(met.came(first + i) && met[first + i]) << i; \
        return group##_vote(votes); \
    } \
    TW_RUNTIME inline group##_vote group##_active_threads_mask(TW_SITE) { return group##_ballot(true, line, file); } \
    TW_RUNTIME inline bool group##_is_first(TW_SITE) { \
        const auto met = tw::meet(true, {#group "_is_first", file, line}); \
        const unsigned first = met.self & ~(width - 1u); \
        return met.self - first == tw::first_lane(met.lanes >> first); \
    }

#define TW_LANES_REDUCE(group, width, name, expression) \
    template <class X, class T = tw::brought_t<X>> \
    TW_RUNTIME T group##_##name(X x, TW_SITE) { \
        const auto met = tw::meet<T>(T(x), {#group "_" #name, file, line}); \
        return tw::combine(met, met.self & ~(width - 1u), width, [](T a, T b) { return T(expression); }); \
    }
#define TW_LANES_SCAN(group, width, name, expression, neutral) \
    template <class X, class T = tw::brought_t<X>> \
    TW_RUNTIME T group##_prefix_inclusive_##name(X x, TW_SITE) { \
        const auto met = tw::meet<T>(T(x), {#group "_prefix_inclusive_" #name, file, line}); \
        return tw::scan(met, met.self & ~(width - 1u), width, met.self, [](T a, T b) { return T(expression); }); \
    } \
    template <class X, class T = tw::brought_t<X>> \
    TW_RUNTIME T group##_prefix_exclusive_##name(X x, TW_SITE) { \
        const auto met = tw::meet<T>(T(x), {#group "_prefix_exclusive_" #name, file, line}); \
        const unsigned first = met.self & ~(width - 1u), before = tw::lane_before(met, first); \
        if (before == met.self) return T(neutral); \
        return tw::scan(met, first, width, before, [](T a, T b) { return T(expression); }); \
    }
#define TW_LANES_MOVE(group, width, name, parameter, source) \
    template <class X, class T = tw::brought_t<X>> \
    TW_RUNTIME T group##_##name(X x, parameter, TW_SITE) { \
        const auto met = tw::meet<T>(T(x), {#group "_" #name, file, line}); \
        [[maybe_unused]] const unsigned self = met.self % width, first = met.self - self; \
        return met.or_own(source); \
    }
#define TW_LANES_FILL(group, width, name, inside, source, filling_source) \
    template <class X, class T = tw::brought_t<X>> \
    TW_RUNTIME T group##_shuffle_and_fill_##name(X x, X filling, ushort delta, ushort modulo = width, TW_SITE) { \
        const auto met = tw::meet<tw::Pair<T>>({T(x), T(filling)}, {#group "_shuffle_and_fill_" #name, file, line}); \
        const unsigned self = met.self % width; \
        return inside ? met.or_own(source).first : met.or_own(filling_source).second; \
    }

using simd_vote = tw::Vote<32>;
using quad_vote = tw::Vote<4>;

TW_LANES(simd, 32u)
TW_LANES(quad, 4u)

#undef TW_LANES
#undef TW_LANES_REDUCE
#undef TW_LANES_SCAN
#undef TW_LANES_MOVE
#undef TW_LANES_FILL

}  // namespace tw_user::metal

namespace tw {

/// The built-ins of the thread that runs, under Metal's names.
struct Position {
    using uint = unsigned;
    using uint3 = tw_user::metal::uint3;
    uint3 dispatch_threads_per_threadgroup, grid_origin, grid_size, thread_position_in_grid, thread_position_in_threadgroup,
        threadgroup_position_in_grid, threadgroups_per_grid, threads_per_grid, threads_per_threadgroup;
    uint dispatch_quadgroups_per_threadgroup, dispatch_simdgroups_per_threadgroup, quadgroup_index_in_threadgroup,
        quadgroups_per_threadgroup, simdgroup_index_in_threadgroup, simdgroups_per_threadgroup, thread_execution_width,
        thread_index_in_quadgroup, thread_index_in_simdgroup, thread_index_in_threadgroup, threads_per_simdgroup;
};

TW_RUNTIME inline Position here() {
    const auto triple = [](const unsigned(&v)[3]) { return Position::uint3(v[0], v[1], v[2]); };
    const unsigned requested = group.requested[0] * group.requested[1] * group.requested[2], self = current->index;
    Position at;
    at.dispatch_threads_per_threadgroup = triple(group.requested);
    at.grid_origin = Position::uint3(0u);
    at.grid_size = at.threads_per_grid = triple(group.grid);
    at.thread_position_in_threadgroup = triple(current->position);
    at.threadgroup_position_in_grid = triple(group.position);
    at.thread_position_in_grid =
        at.threadgroup_position_in_grid * at.dispatch_threads_per_threadgroup + at.thread_position_in_threadgroup;
    at.threadgroups_per_grid = triple(group.groups);
    at.threads_per_threadgroup = triple(group.size);
    at.dispatch_quadgroups_per_threadgroup = (requested + 3) / 4;
    at.dispatch_simdgroups_per_threadgroup = (requested + 31) / 32;
    at.quadgroup_index_in_threadgroup = self / 4;
    at.quadgroups_per_threadgroup = (group.count + 3) / 4;
    at.simdgroup_index_in_threadgroup = self / 32;
    at.simdgroups_per_threadgroup = group.simd_count;
    at.thread_execution_width = at.threads_per_simdgroup = 32;
    at.thread_index_in_quadgroup = self % 4;
    at.thread_index_in_simdgroup = self % 32;
    at.thread_index_in_threadgroup = self;
    return at;
}

}  // namespace tw
