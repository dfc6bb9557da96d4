// Who touched which byte: a record beside every byte of device and threadgroup memory of the accesses that a later one
// could conflict with. Two accesses conflict if at least one writes, not both are atomic, and nothing orders them:
// the same thread, a threadgroup_barrier or simdgroup_barrier between them that names the memory's kind; threads of
// different groups are never ordered. What is found does not depend on the order in which the threads happened to run.

namespace tw {

/// The bit of mem_flags that names it.
enum Space : unsigned { space_device = 0, space_threadgroup = 1 };

/// A range of memory that the kernel may touch.
struct Region {
    const char* name;
    char* begin;
    size_t size;
    Space space;
    bool initialised;  // before the launch
    bool read_only;
    bool exact;        // what lies within `slack` around it belongs to nobody
    struct Cell* cells;
    unsigned shift;    // a cell stands for 1 << shift bytes
};

inline Region regions[128];
inline unsigned region_count = 0;
constexpr size_t region_slack = 4096;

#ifdef TW_RACE

/// When and by whom: the group's number, the thread, and how many barriers of the group and of its SIMD group that
/// order this space it had passed. 0 is never. Counters wrap: two that meet again after 2^15 barriers go unnoticed.
struct Stamp {
    uint64_t bits;

    TW_RUNTIME static Stamp make(uint32_t group, uint32_t thread, uint32_t group_barriers, uint32_t simd_barriers, bool atomic) {
        return {uint64_t(group & 0x3fffffu) << 42 | uint64_t(thread & 0x3ffu) << 32 |
                uint64_t(group_barriers & 0xffffu) << 16 | (simd_barriers & 0x7fffu) << 1 | uint32_t(atomic)};
    }
    TW_RUNTIME explicit operator bool() const { return bits != 0; }
    TW_RUNTIME uint32_t group() const { return uint32_t(bits >> 42); }
    TW_RUNTIME uint32_t thread() const { return bits >> 32 & 0x3ffu; }
    TW_RUNTIME bool atomic() const { return bits & 1u; }
    TW_RUNTIME bool same_thread(Stamp other) const { return bits >> 32 == other.bits >> 32; }
    TW_RUNTIME bool same_simd(Stamp other) const { return bits >> 37 == other.bits >> 37; }

    /// Whether this one was over before `later` began.
    TW_RUNTIME bool before(Stamp later) const {
        if (same_thread(later)) return true;
        if (group() != later.group()) return false;
        const uint64_t change = bits ^ later.bits;
        return (change & 0xffff0000u) || (same_simd(later) && (change & 0xfffeu));
    }
};

struct Cell {
    Stamp write, read[2];
    uint32_t write_at, read_at[2];  // code addresses, from code_base
};

/// Provided by schedule.h: the stamp of the thread that runs, and how it is called in a report.
Stamp stamp_now(Space space, bool atomic);
bool a_thread_runs();
Place thread_place(Stamp stamp);

TW_RUNTIME inline void code_base() {}
TW_RUNTIME inline uint32_t code_offset(void* pc) {
    return uint32_t(reinterpret_cast<uintptr_t>(pc) - reinterpret_cast<uintptr_t>(&code_base));
}
TW_RUNTIME inline Place code_place(uint32_t offset) {
    Place made;
    place_of(reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(&code_base)) + int32_t(offset) - 1, made);
    return made;
}

enum : unsigned { access_read = 1, access_write = 2, access_atomic = 4 };

/// The access that is looked at.
struct Access {
    char* at;
    size_t size;
    unsigned how;
    void* pc;
    void** frame;

    TW_RUNTIME bool writes() const { return how & access_write; }
    TW_RUNTIME bool atomic() const { return how & access_atomic; }
    TW_RUNTIME Place line() const { return place_of(static_cast<char*>(pc) - 1, frame); }
    TW_RUNTIME const char* verb() const {
        if (atomic()) return "atomic access";
        return writes() ? "write" : "read";
    }
};

/// Cells for smaller pieces, when an access does not fill whole ones.
TW_RUNTIME inline void refine(Region& region, unsigned shift) {
    const size_t count = (region.size >> shift) + 1, ratio = size_t(1) << (region.shift - shift);
    Cell* cells = static_cast<Cell*>(calloc(count, sizeof(Cell)));
    if (!cells) fault("setup", "no memory to watch the %zu bytes of `%s`", region.size, region.name);
    if (region.cells) {
        for (size_t i = 0; i < count; ++i) cells[i] = region.cells[i / ratio];
        free(region.cells);
    }
    region.cells = cells;
    region.shift = shift;
}

[[noreturn]] TW_RUNTIME inline void report_race(const Region& region, size_t cell, const Access& access, Stamp now,
                                                Stamp old, const char* old_verb, uint32_t old_at) {
    const bool other_group = old.group() != now.group();
    const char* why = "with no barrier between them that orders";
    if (other_group) why = "and no barrier orders threadgroups on";
    else if (old.atomic() != now.atomic()) why = "one atomic and one not, with no barrier between them that orders";
    fault("race", "%s by %s at %s and %s by %s at %s both touch byte %zu of `%s`, %s %s memory",
          old_verb, thread_place(old).text, code_place(old_at).text, access.verb(), thread_place(now).text,
          access.line().text, cell << region.shift, region.name, why,
          region.space == space_device ? "device" : "threadgroup");
}

TW_RUNTIME inline void check_cell(const Region& region, size_t index, const Access& access, Stamp now) {
    Cell& cell = region.cells[index];
    // Threadgroup memory starts anew with each group.
    if (region.space == space_threadgroup) {
        if (cell.write.group() != now.group()) cell.write = {};
        for (Stamp& read : cell.read) {
            if (read.group() != now.group()) read = {};
        }
    }
    const auto conflicts = [&](Stamp old) { return old && !(old.atomic() && now.atomic()) && !old.before(now); };
    if (conflicts(cell.write)) {
        report_race(region, index, access, now, cell.write, cell.write.atomic() ? "atomic access" : "write", cell.write_at);
    }
    if (access.writes()) {
        for (int i = 0; i < 2; ++i) {
            if (conflicts(cell.read[i])) report_race(region, index, access, now, cell.read[i], "read", cell.read_at[i]);
        }
        cell.write = now;
        cell.write_at = code_offset(access.pc);
        return;
    }
    // Two readers are kept: the second of another SIMD group than the first where there is one, since a barrier of one
    // SIMD group orders only its own.
    for (int i = 0; i < 2; ++i) {
        Stamp& read = cell.read[i];
        const bool replace = !read || read.before(now) || (i == 1 && read.same_simd(cell.read[0]));
        if (replace) {
            read = now;
            cell.read_at[i] = code_offset(access.pc);
            return;
        }
    }
}

TW_RUNTIME inline void check_access(Region& region, const Access& access) {
    const size_t offset = size_t(access.at - region.begin);
    if (access.at < region.begin || offset + access.size > region.size) {
        if (!region.exact) return;
        fault("out-of-bounds", "%s of %zu bytes at byte %td of `%s`, which has %zu, by %s at %s", access.verb(), access.size,
              access.at - region.begin, region.name, region.size,
              thread_place(stamp_now(region.space, false)).text, access.line().text);
    }
    if (access.writes() && region.read_only) {
        fault("read-only", "write to byte %zu of the input `%s` by %s at %s", offset, region.name,
              thread_place(stamp_now(region.space, false)).text, access.line().text);
    }
    unsigned shift = region.cells ? region.shift : 3;
    while (shift && ((offset | access.size) & ((size_t(1) << shift) - 1))) --shift;
    if (!region.cells || shift < region.shift) refine(region, shift);

    const Stamp now = stamp_now(region.space, access.atomic());
    const size_t first = offset >> region.shift, last = (offset + access.size - 1) >> region.shift;
    // A vector of three is copied with its padding, the last quarter, that nobody writes.
    const size_t needed = access.size >= 4 ? (offset + access.size - access.size / 4 - 1) >> region.shift : last;
    for (size_t i = first; i <= last; ++i) {
        if ((access.how & access_read) && !region.initialised && i <= needed) {
            const Stamp write = region.cells[i].write;
            const bool written = write && (region.space == space_device || write.group() == now.group());
            if (!written && !suspicion[0]) {
                snprintf(suspicion, sizeof suspicion, "byte %zu of `%s` is read by %s at %s and was never written%s",
                         i << region.shift, region.name, thread_place(now).text, access.line().text,
                         region.space == space_threadgroup ? " in this threadgroup" : "");
            }
        }
        check_cell(region, i, access, now);
    }
}

TW_RUNTIME inline void watch(void* pointer, size_t size, unsigned how, void* pc, void* frame) {
    if (stacks.contain(pointer) || size == 0 || !a_thread_runs()) return;
    char* const at = static_cast<char*>(pointer);
    for (unsigned i = 0; i < region_count; ++i) {
        Region& region = regions[i];
        const size_t slack = region.exact ? region_slack : 0;
        if (size_t(at - (region.begin - slack)) < region.size + 2 * slack) {
            check_access(region, {at, size, how, pc, static_cast<void**>(frame)});
            return;
        }
    }
}

/// After the launch: an output of which a byte was never written.
TW_RUNTIME inline void check_written(const Region& region) {
    size_t missing = 0, first = 0;
    const size_t cells = region.cells ? (region.size + (size_t(1) << region.shift) - 1) >> region.shift : 0;
    for (size_t i = cells; i-- > 0;) {
        if (region.cells[i].write) continue;
        first = i << region.shift;
        missing += first + (size_t(1) << region.shift) <= region.size ? size_t(1) << region.shift : region.size - first;
    }
    if (!region.cells) missing = region.size;
    if (missing) {
        fault("unwritten", "%zu of the %zu bytes of `%s` were never written, the first at byte %zu", missing, region.size,
              region.name, first);
    }
}

#define TW_WATCH(pointer, size, how) \
    ::tw::watch(const_cast<void*>(static_cast<const volatile void*>(pointer)), size, how, __builtin_return_address(0), \
                __builtin_frame_address(0))

#else
#define TW_WATCH(pointer, size, how) ((void)0)
#endif

}  // namespace tw
