// Metal's atomics. All fibers share one OS thread, so plain reads and writes are atomic already; a thread may give way to
// another before each.

namespace tw {

/// Keeps T out of deduction, so that a literal of another type converts.
template <class T>
struct as_given {
    using type = T;
};
template <class T>
using as_given_t = typename as_given<T>::type;

}  // namespace tw

namespace tw_user::metal {

enum memory_order { memory_order_relaxed, memory_order_acquire, memory_order_release, memory_order_acq_rel, memory_order_seq_cst };
enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device };

/// Laid out as a T. Only the functions below reach the value, as in Metal.
template <class T>
struct atomic {
    static_assert(is_one_of<T, int, uint, bool, float, ulong>::value, "Metal has atomics of int, uint, bool, float and ulong");
    T value_of_atomic;

    atomic() = default;
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;
};
using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_bool = atomic<bool>;
using atomic_float = atomic<float>;
using atomic_ulong = atomic<ulong>;

// Not inlined: the caller's address is the author's line.
#define TW_ATOMIC template <class T> TW_UNWATCHED __attribute__((noinline))
#define TW_ATOMIC_ACCESS(how) \
    TW_WATCH(object, sizeof(T), (how) | tw::access_atomic); \
    tw::give_way(); \
    T* const at = const_cast<T*>(&object->value_of_atomic)

TW_ATOMIC void atomic_store_explicit(volatile atomic<T>* object, tw::as_given_t<T> value, memory_order) {
    TW_ATOMIC_ACCESS(tw::access_write);
    *at = value;
}
TW_ATOMIC T atomic_load_explicit(const volatile atomic<T>* object, memory_order) {
    TW_WATCH(object, sizeof(T), tw::access_read | tw::access_atomic);
    tw::give_way();
    return object->value_of_atomic;
}
TW_ATOMIC T atomic_exchange_explicit(volatile atomic<T>* object, tw::as_given_t<T> value, memory_order) {
    TW_ATOMIC_ACCESS(tw::access_read | tw::access_write);
    const T old = *at;
    *at = value;
    return old;
}
/// Fails now and then though the values are equal, as a weak one may.
TW_ATOMIC bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* object, T* expected, tw::as_given_t<T> value, memory_order,
                                                     memory_order) {
    TW_ATOMIC_ACCESS(tw::access_read | tw::access_write);
    const T old = *at;
    const bool equal = memcmp(&old, expected, sizeof(T)) == 0;
    if (equal && tw::chance.below(8) != 0) {
        *at = value;
        return true;
    }
    *expected = old;
    return false;
}

// Integers wrap, as the hardware's do.
#define TW_ATOMIC_FETCH(name, types, expression) \
    TW_ATOMIC T atomic_fetch_##name##_explicit(volatile atomic<T>* object, tw::as_given_t<T> value, memory_order) { \
        static_assert(types, "Metal has no atomic_fetch_" #name "_explicit of this type"); \
        TW_ATOMIC_ACCESS(tw::access_read | tw::access_write); \
        const T old = *at; \
        using U [[maybe_unused]] = conditional_t<is_same<T, int>::value, uint, T>; \
        *at = T(expression); \
        return old; \
    }
TW_ATOMIC_FETCH(add, !(is_one_of<T, bool, ulong>::value), U(old) + U(value))
TW_ATOMIC_FETCH(sub, !(is_one_of<T, bool, ulong>::value), U(old) - U(value))
TW_ATOMIC_FETCH(and, (is_one_of<T, int, uint>::value), U(old) & U(value))
TW_ATOMIC_FETCH(or, (is_one_of<T, int, uint>::value), U(old) | U(value))
TW_ATOMIC_FETCH(xor, (is_one_of<T, int, uint>::value), U(old) ^ U(value))
TW_ATOMIC_FETCH(min, (is_one_of<T, int, uint>::value), value < old ? value : old)
TW_ATOMIC_FETCH(max, (is_one_of<T, int, uint>::value), old < value ? value : old)
#undef TW_ATOMIC_FETCH

#define TW_ATOMIC_ULONG(name, expression) \
    TW_ATOMIC void atomic_##name##_explicit(volatile atomic<T>* object, tw::as_given_t<T> value, memory_order) { \
        static_assert(is_same<T, ulong>::value, "Metal has atomic_" #name "_explicit of ulong only"); \
        TW_ATOMIC_ACCESS(tw::access_read | tw::access_write); \
        const T old = *at; \
        *at = expression; \
    }
TW_ATOMIC_ULONG(min, value < old ? value : old)
TW_ATOMIC_ULONG(max, old < value ? value : old)
#undef TW_ATOMIC_ULONG
#undef TW_ATOMIC_ACCESS
#undef TW_ATOMIC

/// Orders nothing here: what relies on a fence instead of a barrier is reported as a race.
TW_RUNTIME inline void atomic_thread_fence(mem_flags, memory_order, thread_scope = thread_scope_device) {}

}  // namespace tw_user::metal
