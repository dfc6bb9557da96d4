// CUDA's side of the Metal dialect: atomics and fences. Follows the headers that both targets share.
// Metal's operations on Metal's types, no more, so that what compiles here compiles there. Every one is
// relaxed: other orders are accepted where Metal's own headers name them, and not looked at.

namespace tw_user::metal {

enum memory_order {
    memory_order_relaxed,
    memory_order_acquire,
    memory_order_release,
    memory_order_acq_rel,
    memory_order_seq_cst
};
enum thread_scope {
    thread_scope_thread,
    thread_scope_simdgroup,
    thread_scope_threadgroup,
    thread_scope_device
};

/// A T that is touched by the functions below alone; laid out as the plain T, so that pointers may be cast.
template <class T> struct atomic {
    static_assert(!tw_is_small_float<T>::value,
                  "Metal has no atomic half or bfloat: accumulate in atomic<float>");
    static_assert(tw_is_small_float<T>::value || tw_is_one_of<T, int, uint, bool, float, ulong>::value,
                  "Metal has atomics of int, uint, bool, float and ulong");
    T cell;

    atomic() = default;
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;
};
using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_bool = atomic<bool>;
using atomic_float = atomic<float>;
using atomic_ulong = atomic<ulong>;

/// Keeps a parameter out of deduction, so that a literal converts to the atomic's type.
template <class T> struct tw_exactly { using type = T; };
template <class T> using tw_exactly_t = typename tw_exactly<T>::type;

template <class T> TW_FN T* tw_cell(volatile atomic<T>* object) { return const_cast<T*>(&object->cell); }

/// Stores `desired` if the bits are those of `expected`; returns what was there.
template <class T> TW_FN T tw_compare_and_swap(volatile atomic<T>* object, T expected, T desired) {
    if constexpr (sizeof(T) == 1) {
        // The smallest swap is of a word: go through the one around the byte, until nobody else changed it
        // meanwhile. It may reach past a variable's end by up to 3 bytes, never past what memory is given out
        // by.
        const uintptr_t address = reinterpret_cast<uintptr_t>(object);
        auto* word = reinterpret_cast<uint*>(address & ~uintptr_t(3));
        const uint shift = uint(address & 3u) * 8u;
        uint seen = *static_cast<volatile uint*>(word);
        while (true) {
            const T now = T(seen >> shift & 255u);
            if (now != expected) return now;
            const uint found = atomicCAS(word, seen, (seen & ~(255u << shift)) | uint(desired) << shift);
            if (found == seen) return now;
            seen = found;
        }
    } else {
        using word = conditional_t<sizeof(T) == 8, unsigned long long, uint>;
        auto* cell = reinterpret_cast<word*>(tw_cell(object));
        return tw::bit_cast<T>(atomicCAS(cell, tw::bit_cast<word>(expected), tw::bit_cast<word>(desired)));
    }
}

template <class T> TW_FN T atomic_load_explicit(const volatile atomic<T>* object, memory_order) {
    return object->cell;
}
template <class T>
TW_FN void atomic_store_explicit(volatile atomic<T>* object, tw_exactly_t<T> desired, memory_order) {
    object->cell = desired;
}
template <class T>
TW_FN bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* object, T* expected,
                                                 tw_exactly_t<T> desired, memory_order, memory_order) {
    using bits = conditional_t<sizeof(T) == 8, ulong, conditional_t<sizeof(T) == 4, uint, uchar>>;
    const T wanted = *expected, found = tw_compare_and_swap(object, wanted, desired);
    *expected = found;
    return tw::bit_cast<bits>(found) == tw::bit_cast<bits>(wanted);
}
template <class T>
TW_FN T atomic_exchange_explicit(volatile atomic<T>* object, tw_exactly_t<T> desired, memory_order order) {
    if constexpr (sizeof(T) == 1) {
        T seen = atomic_load_explicit(object, order);
        while (!atomic_compare_exchange_weak_explicit(object, &seen, desired, order, order)) {}
        return seen;
    } else if constexpr (sizeof(T) == 8) {
        return T(atomicExch(reinterpret_cast<unsigned long long*>(tw_cell(object)), desired));
    } else {
        return atomicExch(tw_cell(object), desired);
    }
}

#define TW_ATOMIC(name, types, operation)                                                       \
    template <class T>                                                                          \
    TW_FN T atomic_fetch_##name##_explicit(volatile atomic<T>* object, tw_exactly_t<T> operand, \
                                           memory_order) {                                      \
        static_assert(types, "Metal has no atomic_fetch_" #name "_explicit of this type");      \
        return operation;                                                                       \
    }
TW_ATOMIC(add, (tw_is_one_of<T, int, uint, float>::value), atomicAdd(tw_cell(object), operand))
TW_ATOMIC(sub, (tw_is_one_of<T, int, uint, float>::value), atomicAdd(tw_cell(object), T(0) - operand))
TW_ATOMIC(min, (tw_is_one_of<T, int, uint>::value), atomicMin(tw_cell(object), operand))
TW_ATOMIC(max, (tw_is_one_of<T, int, uint>::value), atomicMax(tw_cell(object), operand))
TW_ATOMIC(and, (tw_is_one_of<T, int, uint>::value), atomicAnd(tw_cell(object), operand))
TW_ATOMIC(or, (tw_is_one_of<T, int, uint>::value), atomicOr(tw_cell(object), operand))
TW_ATOMIC(xor, (tw_is_one_of<T, int, uint>::value), atomicXor(tw_cell(object), operand))
#undef TW_ATOMIC

TW_FN void atomic_max_explicit(volatile atomic_ulong* object, ulong operand, memory_order) {
    atomicMax(reinterpret_cast<unsigned long long*>(tw_cell(object)), operand);
}
TW_FN void atomic_min_explicit(volatile atomic_ulong* object, ulong operand, memory_order) {
    atomicMin(reinterpret_cast<unsigned long long*>(tw_cell(object)), operand);
}

TW_FN void atomic_thread_fence(mem_flags, memory_order, thread_scope scope = thread_scope_device) {
    if (scope == thread_scope_device) __threadfence();
    else __threadfence_block();
}

}  // namespace tw_user::metal
