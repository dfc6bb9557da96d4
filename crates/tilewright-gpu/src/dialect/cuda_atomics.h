// CUDA's side of the Metal dialect: atomics and fences. Follows the headers that both targets share.
// As in Metal, every operation is relaxed; the order asked for is not looked at, so only relaxed exists.

namespace tw_user::metal {

enum memory_order { memory_order_relaxed };
enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device };

/// A T that is touched by the functions below alone; laid out as the plain T, so that pointers may be cast.
template <class T>
struct atomic {
    static_assert(!is_small_float<T>::value, "Metal has no atomic half or bfloat: accumulate in atomic<float>");
    static_assert(is_one_of<T, int, uint, long, ulong, float, bool>::value,
                  "atomic<T> is for int, uint, long, ulong, float and bool");
    T cell;
    atomic() = default;
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;
};
using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_long = atomic<long>;
using atomic_ulong = atomic<ulong>;
using atomic_float = atomic<float>;
using atomic_bool = atomic<bool>;

/// Keeps a parameter out of deduction, so that a literal converts to the atomic's type.
template <class T>
struct exactly {
    using type = T;
};
template <class T>
using exactly_t = typename exactly<T>::type;

template <class T>
TW_FN T* cell_of(volatile atomic<T>* object) { return const_cast<T*>(&object->cell); }

// CUDA names 64-bit atomics by long long.
template <class T>
using atomic_word = conditional_t<sizeof(T) == 8, conditional_t<is_signed<T>::value, long long, unsigned long long>, T>;
template <class T>
TW_FN atomic_word<T>* word_of(volatile atomic<T>* object) { return reinterpret_cast<atomic_word<T>*>(cell_of(object)); }

/// Stores `desired` if the bits are those of `expected`; returns what was there. A bool goes through the word around it.
template <class T>
TW_FN T compare_and_swap(volatile atomic<T>* object, T expected, T desired) {
    if constexpr (sizeof(T) == 8) {
        auto* word = reinterpret_cast<unsigned long long*>(cell_of(object));
        return tw::bit_cast<T>(atomicCAS(word, tw::bit_cast<unsigned long long>(expected), tw::bit_cast<unsigned long long>(desired)));
    } else if constexpr (sizeof(T) == 4) {
        auto* word = reinterpret_cast<uint*>(cell_of(object));
        return tw::bit_cast<T>(atomicCAS(word, tw::bit_cast<uint>(expected), tw::bit_cast<uint>(desired)));
    } else {
        const uintptr_t address = reinterpret_cast<uintptr_t>(cell_of(object));
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
    }
}

template <class T>
TW_FN T atomic_load_explicit(const volatile atomic<T>* object, memory_order) {
    return *static_cast<const volatile T*>(&object->cell);
}
template <class T>
TW_FN void atomic_store_explicit(volatile atomic<T>* object, exactly_t<T> desired, memory_order) {
    *static_cast<volatile T*>(&object->cell) = desired;
}

/// `change` applied to the value, by trying until no other thread came between; returns the value before.
template <class T, class Change>
TW_FN T atomic_update(volatile atomic<T>* object, Change change) {
    T seen = atomic_load_explicit(object, memory_order_relaxed);
    while (true) {
        const T found = compare_and_swap(object, seen, change(seen));
        if constexpr (sizeof(T) == 4) {
            if (tw::bit_cast<uint>(found) == tw::bit_cast<uint>(seen)) return found;
        } else {
            if (found == seen) return found;
        }
        seen = found;
    }
}

template <class T>
TW_FN T atomic_exchange_explicit(volatile atomic<T>* object, exactly_t<T> desired, memory_order) {
    if constexpr (sizeof(T) == 1) return atomic_update(object, [=](T) { return desired; });
    else if constexpr (sizeof(T) == 8) return T(atomicExch(reinterpret_cast<unsigned long long*>(cell_of(object)), ulong(desired)));
    else return atomicExch(cell_of(object), desired);
}
template <class T>
TW_FN bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* object, T* expected, exactly_t<T> desired,
                                                 memory_order, memory_order) {
    const T wanted = *expected, found = compare_and_swap(object, wanted, desired);
    *expected = found;
    if constexpr (sizeof(T) == 4) return tw::bit_cast<uint>(found) == tw::bit_cast<uint>(wanted);
    else return found == wanted;
}
template <class T>
TW_FN T atomic_fetch_add_explicit(volatile atomic<T>* object, exactly_t<T> operand, memory_order) {
    static_assert(!is_same<T, bool>::value, "bool has no atomic addition");
    if constexpr (sizeof(T) == 8) return T(atomicAdd(reinterpret_cast<unsigned long long*>(cell_of(object)), ulong(operand)));
    else return atomicAdd(cell_of(object), operand);
}
template <class T>
TW_FN T atomic_fetch_sub_explicit(volatile atomic<T>* object, exactly_t<T> operand, memory_order order) {
    if constexpr (is_integral<T>::value) return atomic_fetch_add_explicit(object, T(make_unsigned_t<T>(0) - make_unsigned_t<T>(operand)), order);
    else return atomic_fetch_add_explicit(object, -operand, order);
}

/// A float's min and max try and retry, passing over NaN as fmin and fmax do.
#define TW_ATOMIC(name, cuda, expression)                                                                         \
    template <class T>                                                                                            \
    TW_FN T name(volatile atomic<T>* object, exactly_t<T> operand, memory_order) {                                \
        if constexpr (is_one_of<T, float, bool>::value) return atomic_update(object, [=](T now) { return T(expression); }); \
        else return T(cuda(word_of(object), atomic_word<T>(operand)));                                            \
    }
TW_ATOMIC(atomic_fetch_min_explicit, atomicMin, min(now, operand))
TW_ATOMIC(atomic_fetch_max_explicit, atomicMax, max(now, operand))
TW_ATOMIC(atomic_fetch_and_explicit, atomicAnd, now & operand)
TW_ATOMIC(atomic_fetch_or_explicit, atomicOr, now | operand)
TW_ATOMIC(atomic_fetch_xor_explicit, atomicXor, now ^ operand)
#undef TW_ATOMIC

/// Metal's atomic_ulong has these two; they return nothing.
TW_FN void atomic_max_explicit(volatile atomic_ulong* object, ulong operand, memory_order order) {
    atomic_fetch_max_explicit(object, operand, order);
}
TW_FN void atomic_min_explicit(volatile atomic_ulong* object, ulong operand, memory_order order) {
    atomic_fetch_min_explicit(object, operand, order);
}

TW_FN void atomic_thread_fence(mem_flags, memory_order, thread_scope scope = thread_scope_device) {
    if (scope == thread_scope_device) __threadfence();
    else __threadfence_block();
}

}  // namespace tw_user::metal
