// The program around a kernel: reads a launch, runs it, answers with the buffers.

extern "C" {
void __asan_set_error_report_callback(void (*callback)(const char*));
void* __asan_get_report_address();
void* __asan_get_report_pc();
void* __asan_get_report_bp();
int __asan_get_report_access_type();
size_t __asan_get_report_access_size();
const char* __asan_get_report_description();
}

namespace tw {

enum : uint32_t { request_magic = 0x31455754u };
enum : unsigned { flag_data = 1, flag_return = 2, flag_read_only = 4, flag_all_written = 8 };

TW_RUNTIME inline void receive(void* into, size_t size) {
    if (fread(into, 1, size, stdin) != size) fault("setup", "the request ends early");
}

template <class T>
TW_RUNTIME T receive() {
    T value;
    receive(&value, sizeof value);
    return value;
}

/// Exactly `size` bytes between memory that belongs to nobody.
TW_RUNTIME inline char* allocate(size_t size) {
#ifdef TW_RACE
    char* const memory = static_cast<char*>(malloc(size + 2 * region_slack));
    if (memory) return memory + region_slack;
#else
    // Of no bytes at all malloc makes one.
    char* const memory = static_cast<char*>(malloc(size ? size : 16));
    if (memory) return size ? memory : memory + 16;
#endif
    fault("setup", "no memory for a buffer of %zu bytes", size);
}

TW_RUNTIME inline void receive_arguments() {
    argument_count = receive<uint32_t>();
    if (argument_count > 96) fault("setup", "%u arguments are too many", argument_count);
    arguments = static_cast<Argument*>(calloc(argument_count + 1, sizeof(Argument)));
    for (unsigned i = 0; i < argument_count; ++i) {
        Argument& argument = arguments[i];
        argument.flags = receive<uint32_t>();
        argument.size = size_t(receive<uint64_t>());
        receive(argument.name, sizeof argument.name);
        argument.name[sizeof argument.name - 1] = 0;
        // As far past a 16-byte boundary as the view is on a device.
        const size_t misalignment = argument.flags >> 8 & 15;
        argument.memory = allocate(argument.size + misalignment) + misalignment;
        const bool data = argument.flags & flag_data, read_only = argument.flags & flag_read_only;
        if (data) receive(argument.memory, argument.size);
        else memset(argument.memory, 0xff, argument.size);
        if (read_only) {
            argument.initial = static_cast<char*>(malloc(argument.size + 1));
            if (!argument.initial) fault("setup", "no memory for a copy of `%s`", argument.name);
            memcpy(argument.initial, argument.memory, argument.size);
        }
        regions[region_count++] = {argument.name, argument.memory, argument.size, space_device, data, read_only, true, nullptr, 0};
    }
}

/// Called by AddressSanitizer after its report: says the same in the names of the kernel.
TW_RUNTIME inline void on_bad_access(const char*) {
    char* const at = static_cast<char*>(__asan_get_report_address());
    void* const pc = __asan_get_report_pc();
    const size_t size = __asan_get_report_access_size();
    const char* const verb = __asan_get_report_access_type() ? "write" : "read";
    const Place line = place_of(pc, static_cast<void**>(__asan_get_report_bp()));
    const Place thread = current ? thread_place(*current) : Place{"the launch"};
    const Region* nearest = nullptr;
    size_t distance = region_slack;
    for (const Region* region = regions; region < regions + region_count; ++region) {
        const size_t before = size_t(region->begin - at), after = size_t(at - (region->begin + region->size));
        const size_t outside = size_t(at - region->begin) < region->size ? 0 : before < after ? before : after;
        if (outside < distance) {
            distance = outside;
            nearest = region;
        }
    }
    const char* const what = __asan_get_report_description();
    if (!strstr(what, "overflow") && !strstr(what, "underflow")) {
        fault("bad-address", "%s at address %p by %s at %s", what, static_cast<void*>(at), thread.text, line.text);
    }
    if (!nearest || strstr(what, "stack")) {
        fault("out-of-bounds", "%s of %zu bytes outside of an array of its own or a constant by %s at %s", verb, size, thread.text, line.text);
    }
    fault("out-of-bounds", "%s of %zu bytes at byte %td of `%s`, which has %zu, by %s at %s", verb, size, at - nearest->begin,
          nearest->name, nearest->size, thread.text, line.text);
}

/// Where the program was when a signal came: its next instruction and its frame.
struct Interrupted {
    void* pc;
    void** frame;
};
TW_RUNTIME inline Interrupted interrupted(void* context) {
    [[maybe_unused]] const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__linux__) && defined(__x86_64__)
    return {reinterpret_cast<void*>(machine.gregs[REG_RIP]), reinterpret_cast<void**>(machine.gregs[REG_RBP])};
#elif defined(__linux__) && defined(__aarch64__)
    return {reinterpret_cast<void*>(machine.pc), reinterpret_cast<void**>(machine.regs[29])};
#elif defined(__APPLE__) && defined(__x86_64__)
    return {reinterpret_cast<void*>(machine->__ss.__rip), reinterpret_cast<void**>(machine->__ss.__rbp)};
#elif defined(__APPLE__) && defined(__aarch64__)
    return {reinterpret_cast<void*>(machine->__ss.__pc), reinterpret_cast<void**>(machine->__ss.__fp)};
#else
    return {nullptr, nullptr};
#endif
}

/// A stack's guard was hit, or an address far from every buffer: often an unsigned index that went below zero.
TW_RUNTIME inline void on_signal(int, siginfo_t* info, void* context) {
    const size_t thread = stacks.guard_hit(info->si_addr);
    if (thread < stacks.count) {
        fault("stack-overflow", "%s needs more than the %zu bytes of its stack", thread_place(group.threads[thread]).text,
              stacks.stride - stacks.guard);
    }
    const Interrupted at = interrupted(context);
    fault("bad-address", "access to address %p, far from every buffer, by %s at %s", info->si_addr,
          current ? thread_place(*current).text : "the launch", place_of(at.pc, at.frame).text);
}

TW_RUNTIME inline void install_handlers() {
    static char own_stack[1 << 17];
    stack_t other = {};
    other.ss_sp = own_stack;
    other.ss_size = sizeof own_stack;
    sigaltstack(&other, nullptr);
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
    __asan_set_error_report_callback(on_bad_access);
}

}  // namespace tw

void tw_invoke(const tw::Arguments& arguments);

TW_RUNTIME int main() {
    using namespace tw;
    if (receive<uint32_t>() != request_magic) fault("setup", "not a request");
    chance.state = receive<uint64_t>();
    for (unsigned& axis : group.grid) axis = receive<uint32_t>();
    for (unsigned& axis : group.requested) axis = receive<uint32_t>();
    dynamic_size = receive<uint32_t>();
    const size_t stack_bytes = receive<uint32_t>();
    size_t threads = 1;
    for (int axis = 0; axis < 3; ++axis) {
        // The grid counts threads; a group is no larger than it.
        if (group.requested[axis] > group.grid[axis]) group.requested[axis] = group.grid[axis];
        threads *= group.requested[axis];
    }
    if (threads > 1024) fault("setup", "a threadgroup of %zu threads is more than 1024", threads);
    receive_arguments();
    dynamic_memory = allocate(dynamic_size);
    if (threads > 0) {
        stacks.allocate(threads, stack_bytes);
        install_handlers();
        kernel = [] { tw_invoke(Arguments()); };
        run_grid();
    }
    for (unsigned i = 0; i < argument_count; ++i) {
        const Argument& argument = arguments[i];
        if (argument.initial && memcmp(argument.initial, argument.memory, argument.size) != 0) {
            fault("read-only", "the input `%s` was written to", argument.name);
        }
#ifdef TW_RACE
        if (argument.flags & flag_all_written) check_written(regions[i]);
#endif
        if (argument.flags & flag_return) fwrite(argument.memory, 1, argument.size, stdout);
    }
    fflush(stdout);
    _exit(0);
}

#ifdef TW_RACE
// What the compiler's instrumentation calls. It is made for ThreadSanitizer, whose runtime is not linked.
#define TW_HOOK(name) extern "C" TW_RUNTIME __attribute__((used, noinline)) void __tsan_##name
#define TW_HOOKS(bytes)                                                           \
    TW_HOOK(read##bytes)(void* at) { TW_WATCH(at, bytes, tw::access_read); }      \
    TW_HOOK(write##bytes)(void* at) { TW_WATCH(at, bytes, tw::access_write); }    \
    TW_HOOK(unaligned_read##bytes)(void* at) { TW_WATCH(at, bytes, tw::access_read); } \
    TW_HOOK(unaligned_write##bytes)(void* at) { TW_WATCH(at, bytes, tw::access_write); }
TW_HOOKS(1)
TW_HOOKS(2)
TW_HOOKS(4)
TW_HOOKS(8)
TW_HOOKS(16)
TW_HOOK(read_range)(void* at, size_t size) { TW_WATCH(at, size, tw::access_read); }
TW_HOOK(write_range)(void* at, size_t size) { TW_WATCH(at, size, tw::access_write); }
TW_HOOK(vptr_update)(void**, void*) {}
TW_HOOK(vptr_read)(void**) {}
TW_HOOK(func_entry)(void*) {}
TW_HOOK(func_exit)() {}
TW_HOOK(init)() {}
extern "C" TW_RUNTIME __attribute__((used, noinline)) void* __tsan_memcpy(void* to, const void* from, size_t size) {
    TW_WATCH(from, size, tw::access_read);
    TW_WATCH(to, size, tw::access_write);
    return memcpy(to, from, size);
}
extern "C" TW_RUNTIME __attribute__((used, noinline)) void* __tsan_memmove(void* to, const void* from, size_t size) {
    TW_WATCH(from, size, tw::access_read);
    TW_WATCH(to, size, tw::access_write);
    return memmove(to, from, size);
}
extern "C" TW_RUNTIME __attribute__((used, noinline)) void* __tsan_memset(void* to, int value, size_t size) {
    TW_WATCH(to, size, tw::access_write);
    return memset(to, value, size);
}
#endif
