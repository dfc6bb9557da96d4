// The program around a kernel: reads a launch, runs it, answers with the buffers.

namespace tw {

struct Argument {
    unsigned flags;
    size_t size;
    char* memory;
    char* initial;  // of an input: what it must still hold afterwards
    char name[64];
};

enum : uint32_t { request_magic = 0x31455754u };
enum : unsigned { flag_data = 1, flag_return = 2, flag_read_only = 4, flag_all_written = 8 };

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
        argument.memory = allocate(argument.size);
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

/// A stack's guard was hit, or what the sanitizer reports.
inline struct sigaction handler_before[2];
TW_RUNTIME inline void on_bad_address(int signal, siginfo_t* info, void* context) {
    const size_t thread = stacks.guard_hit(info->si_addr);
    if (thread < stacks.count) {
        fault("stack-overflow", "%s needs more than the %zu bytes of its stack", thread_place(group.threads[thread]).text,
              stacks.stride - stacks.guard);
    }
    const struct sigaction& before = handler_before[signal == SIGSEGV];
    if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(signal, info, context);
    fault("bad-address", "access to address %p", info->si_addr);
}

TW_RUNTIME inline void watch_stacks() {
    static char own_stack[1 << 17];
    stack_t other = {};
    other.ss_sp = own_stack;
    other.ss_size = sizeof own_stack;
    sigaltstack(&other, nullptr);
    struct sigaction action = {};
    action.sa_sigaction = on_bad_address;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &handler_before[1]);
    sigaction(SIGBUS, &action, &handler_before[0]);
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
        watch_stacks();
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
