// Fibers: one stack per thread of a group, all on one OS thread.

#if defined(__SANITIZE_ADDRESS__)
#define TW_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TW_ASAN 1
#endif
#endif

#ifdef TW_ASAN
extern "C" void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t size);
extern "C" void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, size_t* size);
#endif

#if defined(__x86_64__)
// Pushes what a callee must keep, trades the stacks, pops. A new stack looks as if it had come here from `run`.
#define TW_SWITCH                                                                                             \
    "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"                           \
    "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"                                                                   \
    "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n"
#elif defined(__aarch64__)
#define TW_SWITCH                                                                                             \
    "sub sp, sp, #160\n"                                                                                      \
    "stp x19, x20, [sp]\n stp x21, x22, [sp, #16]\n stp x23, x24, [sp, #32]\n stp x25, x26, [sp, #48]\n"      \
    "stp x27, x28, [sp, #64]\n stp x29, x30, [sp, #80]\n"                                                     \
    "stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n" \
    "mov x9, sp\n str x9, [x0]\n mov sp, x1\n"                                                                \
    "ldp x19, x20, [sp]\n ldp x21, x22, [sp, #16]\n ldp x23, x24, [sp, #32]\n ldp x25, x26, [sp, #48]\n"      \
    "ldp x27, x28, [sp, #64]\n ldp x29, x30, [sp, #80]\n"                                                     \
    "ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n" \
    "add sp, sp, #160\n ret\n"
#else
#include <ucontext.h>
#endif

#ifdef TW_SWITCH
__asm__(".text\n .balign 16\n tw_switch_stack:\n" TW_SWITCH);
extern "C" void tw_switch_stack(void** save, void* load) __asm__("tw_switch_stack");
#endif

namespace tw {

/// A stack that can be left and entered again; also the OS thread's own.
struct Fiber {
    char* stack = nullptr;  // lowest byte
    size_t size = 0;
    void* fake_stack = nullptr;
#ifdef TW_SWITCH
    void* pointer = nullptr;
#else
    ucontext_t context;
#endif

    /// Makes the next switch to this fiber call `run`, which must never return.
    TW_RUNTIME void start(void (*run)()) {
#if defined(__x86_64__)
        void** top = reinterpret_cast<void**>(stack + size);
        *--top = nullptr;  // where `run` would return to
        *--top = reinterpret_cast<void*>(run);
        for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
        pointer = top;
#elif defined(__aarch64__)
        void** frame = reinterpret_cast<void**>(stack + size - 160);
        memset(frame, 0, 160);
        frame[11] = reinterpret_cast<void*>(run);  // x30
        pointer = frame;
#else
        getcontext(&context);
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = size;
        context.uc_link = nullptr;
        makecontext(&context, run, 0);
#endif
    }

    /// The first thing that `run` does, having come from `from`.
    TW_RUNTIME static void entered(Fiber& from) {
#ifdef TW_ASAN
        const void* bottom;
        __sanitizer_finish_switch_fiber(nullptr, &bottom, &from.size);
        from.stack = static_cast<char*>(const_cast<void*>(bottom));
#endif
        (void)from;
    }

    /// Leaves this fiber for `next`; comes back when another switches here. `last`: it will not come back.
    TW_RUNTIME void switch_to(Fiber& next, bool last = false) {
#ifdef TW_ASAN
        __sanitizer_start_switch_fiber(last ? nullptr : &fake_stack, next.stack, next.size);
#endif
        (void)last;
#ifdef TW_SWITCH
        tw_switch_stack(&pointer, next.pointer);
#else
        swapcontext(&context, &next.context);
#endif
#ifdef TW_ASAN
        __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
    }
};

/// The stacks of a group, each above a guard that faults: a fiber that needs more is caught, not let into a neighbour.
struct Stacks {
    // Wide, as a large array in a frame may step over a page.
    static constexpr size_t guard = 1 << 20;
    char* memory = nullptr;
    size_t stride = 0, count = 0;

    TW_RUNTIME void allocate(size_t fibers, size_t bytes) {
        const size_t page = size_t(sysconf(_SC_PAGESIZE)), size = (bytes + page - 1) / page * page;
        stride = guard + size;
        count = fibers;
        memory = static_cast<char*>(mmap(nullptr, stride * count, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0));
        if (memory == MAP_FAILED) fault("setup", "no address space for %zu stacks of %zu bytes", count, size);
        for (size_t i = 0; i < count; ++i) {
            if (mprotect(memory + i * stride + guard, size, PROT_READ | PROT_WRITE) != 0) {
                fault("setup", "no memory for %zu stacks of %zu bytes", count, size);
            }
        }
    }

    TW_RUNTIME void give(size_t i, Fiber& fiber) const {
        fiber.stack = memory + i * stride + guard;
        fiber.size = stride - guard;
    }

    TW_RUNTIME bool contain(const void* address) const {
        return size_t(static_cast<const char*>(address) - memory) < stride * count;
    }

    /// Which stack's guard `address` lies in; `count` if in none.
    TW_RUNTIME size_t guard_hit(const void* address) const {
        const size_t offset = size_t(static_cast<const char*>(address) - memory);
        return contain(address) && offset % stride < guard ? offset / stride : count;
    }
};
inline Stacks stacks;

}  // namespace tw
