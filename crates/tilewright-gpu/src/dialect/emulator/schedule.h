// One threadgroup at a time: its threads as fibers, in an order drawn from the seed; barriers; and meetings, where the
// lanes of a SIMD group exchange values.

namespace tw {

enum Status : unsigned { running, at_barrier, at_simd_barrier, at_meeting, returned, finished };

/// A thread of the group that runs.
struct Thread {
    Fiber fiber;
    unsigned index = 0;  // in the group: x + y X + z X Y
    unsigned position[3] = {};
    Status status = running;
    bool reached_end = false;
    Site site = {};  // where it waits

    TW_RUNTIME bool waits() const { return status != running && status != returned && status != finished; }
    TW_RUNTIME bool waits_for_lanes() const { return status == at_meeting || status == at_simd_barrier; }
};

/// The widest value that lanes exchange: four 64-bit elements, or an 8x8 matrix's share.
constexpr size_t slot_size = 64;

struct Simd {
    unsigned lanes = 0;        // that exist
    unsigned running = 0;
    unsigned arrived = 0;      // of the last meeting that ended: who took part, and with which values
    unsigned barriers[2] = {}; // per space
    alignas(16) unsigned char offered[32][slot_size];
    alignas(16) unsigned char met[32][slot_size];
};

struct Group {
    // The launch.
    unsigned grid[3] = {}, requested[3] = {}, groups[3] = {};
    // The group.
    unsigned position[3] = {}, size[3] = {}, count = 0, simd_count = 0;
    unsigned number = 0;  // groups run so far, this one included
    unsigned barriers[2] = {};
    unsigned runnable_count = 0, returned_count = 0, finished_count = 0;
    Thread* threads = nullptr;
    unsigned* runnable = nullptr;
    Simd* simds = nullptr;
};
inline Group group;
inline Fiber scheduler;
inline Thread* current = nullptr;

TW_RUNTIME inline Simd& simd_of(const Thread& thread) { return group.simds[thread.index / 32]; }

TW_RUNTIME inline Place thread_place(const Thread& thread) {
    Place made;
    snprintf(made.text, sizeof made.text, "thread (%u, %u, %u) of threadgroup (%u, %u, %u)", thread.position[0],
             thread.position[1], thread.position[2], group.position[0], group.position[1], group.position[2]);
    return made;
}

#ifdef TW_RACE
TW_RUNTIME inline Stamp stamp_now(Space space, bool atomic) {
    return Stamp::make(group.number, current->index, group.barriers[space], simd_of(*current).barriers[space], atomic);
}
TW_RUNTIME inline bool a_thread_runs() { return current != nullptr; }
TW_RUNTIME inline Place thread_place(Stamp stamp) {
    if (stamp.group() == (group.number & 0x3fffffu)) return thread_place(group.threads[stamp.thread()]);
    Place made;
    snprintf(made.text, sizeof made.text, "thread %u of another threadgroup", stamp.thread());
    return made;
}
#endif

TW_RUNTIME inline void make_runnable(Thread& thread) {
    thread.status = running;
    group.runnable[group.runnable_count++] = thread.index;
    ++simd_of(thread).running;
}

/// The barrier that `thread` waits at orders memory of the kinds that it names.
TW_RUNTIME inline void order(unsigned (&barriers)[2], const Thread& thread) {
    unsigned spaces;
    memcpy(&spaces, simd_of(thread).offered[thread.index % 32], sizeof spaces);
    for (unsigned space = 0; space < 2; ++space) barriers[space] += spaces >> space & 1u;
}

[[noreturn]] TW_RUNTIME inline void report_divergence(const Site& site, unsigned first, unsigned end) {
    unsigned here = 0, finished_count = 0, elsewhere_count = 0;
    const Thread* elsewhere = nullptr;
    for (unsigned i = first; i < end; ++i) {
        const Thread& thread = group.threads[i];
        const bool waits = thread.waits();
        if (waits && thread.site == site) {
            ++here;
        } else if (waits) {
            if (!elsewhere) elsewhere = &thread;
            elsewhere_count += thread.site == elsewhere->site;
        }
        finished_count += thread.status == finished;
    }
    char others[768] = "";
    int length = 0;
    if (elsewhere) {
        length = snprintf(others, sizeof others, ", %u wait for %s", elsewhere_count, place(elsewhere->site).text);
    }
    if (finished_count) snprintf(others + length, sizeof others - size_t(length), ", %u reached the end of the kernel", finished_count);
    fault("barrier-divergence", "in threadgroup (%u, %u, %u), %u of %u threads wait for %s%s", group.position[0],
          group.position[1], group.position[2], here, end - first, place(site).text, others);
}

/// Lets the lanes of a SIMD group go on that wait at one site, when none of its lanes can run. Of several sites the
/// first in the source comes first: the lanes of the shorter way then wait where the ways join. A site is an operation on
/// a line: a function of the header that two diverging branches call is one site for both, unlike on a GPU.
TW_RUNTIME inline void end_meeting(unsigned simd_index) {
    Simd& simd = group.simds[simd_index];
    Thread* const lanes = group.threads + simd_index * 32;
    const Thread* first = nullptr;
    for (unsigned i = 0; i < simd.lanes; ++i) {
        if (!lanes[i].waits_for_lanes()) continue;
        if (!first || lanes[i].site.line < first->site.line) first = &lanes[i];
    }
    if (!first) return;
    const Site site = first->site;
    if (first->status == at_simd_barrier) {
        // No live lane may miss it.
        for (unsigned i = 0; i < simd.lanes; ++i) {
            const bool here = lanes[i].status == at_simd_barrier && lanes[i].site == site;
            if (!here && lanes[i].status != returned) report_divergence(site, simd_index * 32, simd_index * 32 + simd.lanes);
        }
        order(simd.barriers, *first);
    }
    simd.arrived = 0;
    for (unsigned i = 0; i < simd.lanes; ++i) {
        if (!lanes[i].waits_for_lanes() || !(lanes[i].site == site)) continue;
        simd.arrived |= 1u << i;
        memcpy(simd.met[i], simd.offered[i], slot_size);
        make_runnable(lanes[i]);
    }
}

/// Takes the running thread off until it is made runnable again.
TW_RUNTIME inline void wait(Status status, const Site& site) {
    Thread& self = *current;
    self.status = status;
    self.site = site;
    Simd& simd = simd_of(self);
    if (--simd.running == 0) end_meeting(self.index / 32);
    self.fiber.switch_to(scheduler);
}

/// Lets another thread run first, now and then: atomics of different threads interleave, and a loop that waits for
/// another thread of its group ends.
TW_RUNTIME inline void give_way() {
    if (chance.below(4) != 0) return;
    group.runnable[group.runnable_count++] = current->index;
    current->fiber.switch_to(scheduler);
}

/// Values that the lanes of a SIMD group brought to a meeting.
template <class T>
struct Met {
    unsigned lanes;  // bit per lane that came
    unsigned self;
    const unsigned char (*values)[slot_size];

    TW_RUNTIME bool came(unsigned lane) const { return lane < 32 && (lanes >> lane & 1u); }
    TW_RUNTIME bool all() const { return lanes == 0xffffffffu; }
    TW_RUNTIME T operator[](unsigned lane) const {
        T value;
        memcpy(&value, values[lane], sizeof value);
        return value;
    }
    /// The lane's value, or this lane's own if that one did not come.
    TW_RUNTIME T or_own(unsigned lane) const { return (*this)[came(lane) ? lane : self]; }
};

/// Brings `value` to the meeting at `site`; returns when every lane that can has come. The values stay as they are until
/// this thread waits again, as its SIMD group cannot meet without it.
template <class T>
TW_RUNTIME Met<T> meet(T value, const Site& site) {
    static_assert(sizeof(T) <= slot_size);
    Simd& simd = simd_of(*current);
    const unsigned self = current->index % 32;
    memcpy(simd.offered[self], &value, sizeof value);
    wait(at_meeting, site);
    return {simd.arrived, self, simd.met};
}

/// Waits for the whole group, or for the whole SIMD group, and orders memory of the kinds `spaces` (bit per Space).
TW_RUNTIME inline void barrier(Status which, unsigned spaces, const Site& site) {
    memcpy(simd_of(*current).offered[current->index % 32], &spaces, sizeof spaces);
    wait(which, site);
}

/// When no thread can run: all live ones must wait at one barrier.
TW_RUNTIME inline void end_barrier() {
    const Thread* first = nullptr;
    unsigned waiting = 0;
    for (unsigned i = 0; i < group.count; ++i) {
        const Thread& thread = group.threads[i];
        if (thread.status != at_barrier) continue;
        if (!first) first = &thread;
        waiting += thread.site == first->site;
    }
    if (waiting + group.returned_count != group.count) report_divergence(first->site, 0, group.count);
    order(group.barriers, *first);
    for (unsigned i = 0; i < group.count; ++i) {
        if (group.threads[i].status == at_barrier) make_runnable(group.threads[i]);
    }
}

/// What every Apple GPU has.
constexpr size_t threadgroup_memory = 32 << 10;

/// A variable of the kernel in threadgroup memory has come into being for this thread; for the first thread of a group
/// that is where its memory is filled with 0xFF: NaN as a float, far out of range as an index.
TW_RUNTIME inline void declared(const char* name, void* memory, size_t size, bool exact = false) {
    static unsigned last_group[128];
    static size_t total = 0;
    unsigned i = 0;
    while (i < region_count && regions[i].begin != memory) ++i;
    if (i == region_count) {
        if (i == 128) fault("setup", "more than 128 buffers and variables");
        total += size;
        if (total > threadgroup_memory) {
            fault("threadgroup-memory", "with `%s` the kernel takes %zu bytes of threadgroup memory; there are %zu", name, total,
                  threadgroup_memory);
        }
        regions[region_count++] = {name, static_cast<char*>(memory), size, space_threadgroup, false, false, exact, nullptr, 0};
    }
    if (last_group[i] == group.number) return;
    last_group[i] = group.number;
    memset(memory, 0xff, size);
}

#define TW_THREADGROUP static
#define TW_CONSTANT const
#define TW_DECLARED(name) ::tw::declared(#name, const_cast<void*>(static_cast<const volatile void*>(&(name))), sizeof(name))
#define TW_BODY_END ::tw::current->reached_end = true;

inline void* dynamic_memory = nullptr;
inline size_t dynamic_size = 0;

/// The threadgroup memory whose size the launch gives.
template <class T>
TW_RUNTIME T* dynamic_threadgroup() {
    if (dynamic_size) declared("threadgroup memory of the launch", dynamic_memory, dynamic_size, true);
    return static_cast<T*>(dynamic_memory);
}

/// What the generated source provides: calls the kernel for the thread that runs.
inline void (*kernel)() = nullptr;

TW_RUNTIME inline void run_thread() {
    Fiber::entered(scheduler);
    kernel();
    Thread& self = *current;
    self.status = self.reached_end ? finished : returned;
    ++(self.reached_end ? group.finished_count : group.returned_count);
    if (--simd_of(self).running == 0) end_meeting(self.index / 32);
    self.fiber.switch_to(scheduler, true);
}

TW_RUNTIME inline void run_group() {
    ++group.number;
    group.count = group.size[0] * group.size[1] * group.size[2];
    group.simd_count = (group.count + 31) / 32;
    group.barriers[0] = group.barriers[1] = 1;
    group.runnable_count = group.returned_count = group.finished_count = 0;
    for (unsigned i = 0; i < group.simd_count; ++i) {
        Simd& simd = group.simds[i];
        simd.lanes = group.count - i * 32 < 32 ? group.count - i * 32 : 32;
        simd.running = simd.barriers[0] = simd.barriers[1] = 0;
    }
    for (unsigned i = 0; i < group.count; ++i) {
        Thread& thread = group.threads[i];
        thread.index = i;
        thread.position[0] = i % group.size[0];
        thread.position[1] = i / group.size[0] % group.size[1];
        thread.position[2] = i / group.size[0] / group.size[1];
        thread.reached_end = false;
        thread.fiber.start(run_thread);
        make_runnable(thread);
    }
    while (group.returned_count + group.finished_count < group.count) {
        if (group.runnable_count == 0) end_barrier();
        const unsigned pick = chance.below(group.runnable_count);
        current = &group.threads[group.runnable[pick]];
        group.runnable[pick] = group.runnable[--group.runnable_count];
        scheduler.switch_to(current->fiber);
        current = nullptr;
    }
    if (suspicion[0]) fault("uninitialised", "%s", suspicion);
}

/// Runs the grid, the groups in an order drawn from the seed.
TW_RUNTIME inline void run_grid() {
    size_t count = 1, threads = 1;
    for (int axis = 0; axis < 3; ++axis) {
        group.groups[axis] = (group.grid[axis] + group.requested[axis] - 1) / group.requested[axis];
        count *= group.groups[axis];
        threads *= group.requested[axis];
    }
    if (count >= uint32_t(-1)) fault("setup", "%zu threadgroups are too many to emulate", count);
    uint32_t* const sequence = static_cast<uint32_t*>(malloc(count * sizeof(uint32_t)));
    group.threads = static_cast<Thread*>(calloc(threads, sizeof(Thread)));
    group.runnable = static_cast<unsigned*>(calloc(threads, sizeof(unsigned)));
    group.simds = static_cast<Simd*>(calloc((threads + 31) / 32, sizeof(Simd)));
    if (!sequence || !group.threads || !group.runnable || !group.simds) fault("setup", "no memory for the launch");
    for (unsigned i = 0; i < threads; ++i) stacks.give(i, group.threads[i].fiber);
    for (uint32_t i = 0; i < count; ++i) {
        const uint32_t other = chance.below(i + 1);
        sequence[i] = sequence[other];
        sequence[other] = i;
    }
    for (size_t i = 0; i < count; ++i) {
        const unsigned place[3] = {sequence[i] % group.groups[0], sequence[i] / group.groups[0] % group.groups[1],
                                   sequence[i] / group.groups[0] / group.groups[1]};
        for (int axis = 0; axis < 3; ++axis) {
            const unsigned origin = place[axis] * group.requested[axis], rest = group.grid[axis] - origin;
            group.position[axis] = place[axis];
            group.size[axis] = rest < group.requested[axis] ? rest : group.requested[axis];
        }
        run_group();
    }
}

}  // namespace tw
