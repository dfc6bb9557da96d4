constant constexpr uint TILE = 1024;    // elements of a tile, in 32 groups
constant constexpr uint LISTED = 1024;  // groups that a list holds
constant constexpr uint PIVOTS = 7;     // that a search tries in one pass
constant constexpr uint ENOUGH = 16;    // groups beyond k with which the bound is low enough

// The elements of a row, or those of the listed groups, in quads.
template <typename T, bool VECTORS> struct Quads {
    const device T* row;
    const threadgroup uint* listed;
    uint n, count;
    bool all, largest;

    // The candidates of a quad; 0 beyond the row.
    void read(uint quad, thread ulong* four) const {
        const uint group = all ? 0 : listed[quad / 8];
        const uint first = all ? 4 * quad : group / 32 * TILE + 128 * (quad % 8) + 4 * (group % 32);
        if (VECTORS && first + 4 <= n) {
            const vec<T, 4> elements = ((const device vec<T, 4>*)row)[first / 4];
            four[0] = candidate_of(elements.x, first, largest);
            four[1] = candidate_of(elements.y, first + 1, largest);
            four[2] = candidate_of(elements.z, first + 2, largest);
            four[3] = candidate_of(elements.w, first + 3, largest);
        } else {
            for (uint c = 0; c < 4; ++c) four[c] = first + c < n ? candidate_of(row[first + c], first + c, largest) : 0ul;
        }
    }

    // Keeps the candidates that reach the bound, as far as there is room, and says how many there are.
    uint keep(Team team, ulong bound, threadgroup Shared& shared) const {
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the count before was read
        if (team.lane == 0) atomic_store_explicit(&shared.filled, 0u, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);  // nothing is kept
        for (uint quad = team.lane; quad < count; quad += team.lanes) {
            ulong four[4];
            read(quad, four);
            for (uint c = 0; c < 4; ++c) {
                if (four[c] == 0 || four[c] < bound) continue;
                const uint place = atomic_fetch_add_explicit(&shared.filled, 1u, memory_order_relaxed);
                if (place < CAPACITY) shared.kept[place] = four[c];
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all are kept
        return atomic_load_explicit(&shared.filled, memory_order_relaxed);
    }

    // A bound that at least k, and at most CAPACITY, candidates reach. At least k reach `low`, and there are k.
    ulong search(thread Team& team, ulong low, uint k, threadgroup Shared& shared) const {
        ulong high = ~0ul;
        while (low < high) {
            const ulong step = (high - low) / (PIVOTS + 1) + 1;
            uint reached[PIVOTS];
            for (uint p = 0; p < PIVOTS; ++p) reached[p] = 0;
            for (uint quad = team.lane; quad < count; quad += team.lanes) {
                ulong four[4];
                read(quad, four);
                for (uint c = 0; c < 4; ++c) {
                    for (uint p = 0; p < PIVOTS; ++p) reached[p] += four[c] >= low && four[c] - low >= (p + 1) * step ? 1 : 0;
                }
            }
            ulong next = low, above = high;
            bool few = false;
            for (uint p = 0; p < PIVOTS; ++p) {
                const uint total = team.total(reached[p], shared);
                const ulong pivot = low + (p + 1) * step;
                if (pivot < low || pivot > high || above < high) continue;  // it is beyond the numbers, or decided
                if (total >= k) {
                    next = pivot;
                    few = total <= CAPACITY;
                } else {
                    above = pivot - 1;
                }
            }
            low = next;
            high = above;
            if (few) break;
        }
        return low;
    }
};
