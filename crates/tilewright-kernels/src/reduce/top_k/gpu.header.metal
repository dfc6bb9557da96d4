// Candidates: a key in the order of the values, above the complement of the position. The larger word is the better candidate, and 0 is none.

constant constexpr uint ITEMS = 16;       // candidates that a thread holds
constant constexpr uint CAPACITY = 2048;  // candidates that a threadgroup sorts

template <typename T> struct Keyed { using type = T; };
template <> struct Keyed<half> { using type = float; };
template <> struct Keyed<bfloat> { using type = float; };

// The key of an element: the larger, the better; 0 of NaN.
template <typename T>
uint rank_of(T element, bool largest) {
    const typename Keyed<T>::type x = element;
    return x != x ? 0u : largest ? key_of(x) : ~key_of(x);
}

template <typename T>
ulong candidate_of(T element, uint position, bool largest) {
    return (ulong(rank_of(element, largest)) << 32) | ulong(~position);
}

inline uint position_of(ulong candidate) { return ~uint(candidate); }

// What a threadgroup shares.
struct Shared {
    ulong kept[CAPACITY];
    uint counts[2][32];  // by turns, so that one barrier suffices
    atomic_uint filled;
};

// A threadgroup and this thread in it.
struct Team {
    uint lane, lanes, turn;

    // The sum over all threads.
    uint total(uint mine, threadgroup Shared& shared) {
        turn ^= 1;
        const uint sum = simd_sum(mine);
        if (lane % 32 == 0) shared.counts[turn][lane / 32] = sum;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all counts of this turn are there, and those of the last one read
        uint all = 0;
        for (uint group = 0; group < lanes / 32; ++group) all += shared.counts[turn][group];
        return all;
    }

    // Raises `bound`, which at least k of all threads' candidates reach, until at most `enough` >= k reach it. Returns how many.
    uint raise(const thread ulong* mine, uint items, uint k, uint enough, thread ulong& bound, threadgroup Shared& shared) {
        ulong above = ~0ul;  // fewer than k reach it, or it is the last bound there is
        uint reach = total(reaching(mine, items, bound), shared);
        while (reach > enough && above - bound > 1) {
            const ulong middle = bound + (above - bound) / 2;
            const uint more = total(reaching(mine, items, middle), shared);
            if (more >= k) {
                bound = middle;
                reach = more;
            } else {
                above = middle;
            }
        }
        return reach;
    }

    static uint reaching(const thread ulong* mine, uint items, ulong bound) {
        uint count = 0;
        for (uint i = 0; i < items; ++i) count += mine[i] >= bound ? 1 : 0;
        return count;
    }

    // Leaves at least the best k of all threads' candidates in shared.kept, best first, and zeros after them up to k, and says how many.
    uint select(const thread ulong* mine, uint k, threadgroup Shared& shared) {
        ulong bound = 1;
        if (k <= lanes) {
            // The k-th of the threads' best is not above the k-th of all: most candidates need not be counted again.
            ulong best = 0;
            for (uint i = 0; i < ITEMS; ++i) best = mine[i] > best ? mine[i] : best;
            raise(&best, 1, k, k + k / 4 + 8, bound, shared);
        }
        uint reach = raise(mine, ITEMS, k, CAPACITY, bound, shared);
        // More equal ones than are sorted: fewer than k are above them, and all other places hold one of them.
        const bool crowded = reach > CAPACITY;
        if (crowded) reach = CAPACITY;
        if (lane == 0) atomic_store_explicit(&shared.filled, 0u, memory_order_relaxed);
        uint places = 1;
        while (places < max(reach, k)) places *= 2;
        for (uint i = lane; i < places; i += lanes) shared.kept[i] = crowded ? bound : 0ul;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all is empty
        for (uint i = 0; i < ITEMS; ++i) {
            if (mine[i] > bound || (mine[i] == bound && !crowded)) {
                shared.kept[atomic_fetch_add_explicit(&shared.filled, 1u, memory_order_relaxed)] = mine[i];
            }
        }
        sort(places, shared);
        return reach;
    }

    // Orders the first `places`, a power of two, best first (bitonic).
    void sort(uint places, threadgroup Shared& shared) {
        for (uint size = 2; size <= places; size *= 2) {
            for (uint distance = size / 2; distance > 0; distance /= 2) {
                threadgroup_barrier(mem_flags::mem_threadgroup);  // the step before is done
                for (uint pair = lane; pair < places / 2; pair += lanes) {
                    const uint low = 2 * pair - pair % distance, high = low + distance;
                    const ulong a = shared.kept[low], b = shared.kept[high];
                    if ((a < b) == ((low & size) == 0)) {
                        shared.kept[low] = b;
                        shared.kept[high] = a;
                    }
                }
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the last step is done
    }
};

// The best k that a group found: the row's result, or candidates for the next launch.
template <typename T, typename I>
void give(Team team, threadgroup Shared& shared, uint k, bool last, uint group, const device T* row, device ulong* candidates,
          device T* values, device I* positions) {
    for (uint i = team.lane; i < k; i += team.lanes) {
        const size_t at = size_t(group) * k + i;
        const ulong candidate = shared.kept[i];
        if (last) {
            values[at] = row[position_of(candidate)];
            positions[at] = I(position_of(candidate));
        } else {
            candidates[at] = candidate;
        }
    }
}
