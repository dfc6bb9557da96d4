// What a kernel is called with.

namespace tw {

struct Argument {
    unsigned flags;
    size_t size;
    char* memory;
    char* initial;  // of an input: what it must still hold afterwards
    char name[64];
};

inline Argument* arguments = nullptr;
inline unsigned argument_count = 0;

/// What the generated `tw_invoke` takes the kernel's arguments from.
struct Arguments {
    template <class T>
    TW_RUNTIME T* pointer(unsigned i) const {
        return reinterpret_cast<T*>(arguments[i].memory);
    }
    template <class T>
    TW_RUNTIME const T& value(unsigned i) const {
        return *reinterpret_cast<const T*>(arguments[i].memory);
    }
};

}  // namespace tw
