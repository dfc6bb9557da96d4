// Rows after their tiles are known. The candidates are a list of the best tokens, which one SIMD group filters, where that suffices; else the row
// itself, which the threadgroup searches.

constant constexpr uint LISTED = 1024;  // tokens that a list holds
constant constexpr uint BINS = 1024;    // into which a search parts what is left of a row

// Functions with several callers and loops inside: a compiler that inlines them all takes ten times as long.
#define NOT_INLINED __attribute__((noinline))

struct Shared {
    ulong pairs[LISTED];             // tokens as they are found: a key above the complement of its token, so that the larger comes first
    alignas(16) uint keys[LISTED];   // of the list, best first; before, of groups
    uint tokens[LISTED];             // of the list; before, the groups
    atomic_uint low[BINS], high[BINS];  // words of what a bin holds
    ulong partial[2][3][32];         // by turns, so that one barrier suffices
    ulong above;                     // what is better than the bin that was found
    uint bin;
    uint told;                       // whether the list was enough
    atomic_uint groups, filled, base;
};

// Sums modulo 2^64 over the SIMD group, whose lanes come together for it: by parts of 22 bits, which the hardware adds.
inline ulong lanes_sum(ulong value) {
    simdgroup_barrier(mem_flags::mem_none);
    const uint low = simd_sum(uint(value) & 0x3fffffu), middle = simd_sum(uint(value >> 22) & 0x3fffffu);
    return low + (ulong(middle) << 22) + (ulong(simd_sum(uint(value >> 44))) << 44);
}
// The sum of the lanes before this one.
inline ulong lanes_before(ulong value) {
    simdgroup_barrier(mem_flags::mem_none);
    const uint low = simd_prefix_exclusive_sum(uint(value) & 0x3fffffu);
    const uint middle = simd_prefix_exclusive_sum(uint(value >> 22) & 0x3fffffu);
    return low + (ulong(middle) << 22) + (ulong(simd_prefix_exclusive_sum(uint(value >> 44))) << 44);
}
inline ulong lanes_least(ulong value) {
    simdgroup_barrier(mem_flags::mem_none);
    const uint mine = uint(value >> 32), high = simd_min(mine);
    return ulong(high) << 32 | simd_min(mine == high ? uint(value) : 0xffffffffu);
}

// A threadgroup and this thread in it.
struct Team {
    uint lane, lanes, turn;

    // Sums in two halves, between which the threadgroup meets.
    void give(const thread ulong* values, uint count, threadgroup Shared& shared) {
        turn ^= 1;
        for (uint i = 0; i < count; ++i) {
            const ulong sum = lanes_sum(values[i]);
            if (lane % 32 == 0) shared.partial[turn][i][lane / 32] = sum;
        }
    }
    void take(thread ulong* values, uint count, const threadgroup Shared& shared) const {
        for (uint i = 0; i < count; ++i) values[i] = lanes_sum(lane % 32 < lanes / 32 ? shared.partial[turn][i][lane % 32] : 0ul);
    }
    void sums(thread ulong* values, uint count, threadgroup Shared& shared) {
        give(values, count, shared);
        threadgroup_barrier(mem_flags::mem_threadgroup);  // this turn's parts are there, and the last turn's were read
        take(values, count, shared);
    }
    ulong sum(ulong value, threadgroup Shared& shared) {
        sums(&value, 1, shared);
        return value;
    }
    ulong least(ulong value, threadgroup Shared& shared) {
        turn ^= 1;
        value = lanes_least(value);
        if (lane % 32 == 0) shared.partial[turn][0][lane / 32] = value;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // as in sums
        return lanes_least(lane % 32 < lanes / 32 ? shared.partial[turn][0][lane % 32] : ~0ul);
    }
    // Lanes that can share the work on each of `count` things: a power of two.
    uint shares(uint count) const {
        uint share = 1;
        while (share < 32 && 2 * share * count <= lanes) share *= 2;
        return share;
    }
    // The `want`-th largest of the first `count` of shared.keys, which zeros follow up to a multiple of 4; 1 where it is 0 or there are fewer.
    uint nth(uint count, uint want, threadgroup Shared& shared) {
        if (lane == 0) atomic_store_explicit(&shared.base, 1u, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all keys are there
        const threadgroup uint4* quads = (const threadgroup uint4*)shared.keys;
        const uint share = shares(count);
        for (uint begin = 0; begin < count; begin += lanes / share) {
            const uint i = begin + lane / share, key = i < count ? shared.keys[i] : 0;
            uint before = 0, until = 0;
#pragma unroll 4
            for (uint quad = lane % share; quad < (count + 3) / 4; quad += share) {
                const uint4 four = quads[quad];
                before += (four.x > key ? 1 : 0) + (four.y > key ? 1 : 0) + (four.z > key ? 1 : 0) + (four.w > key ? 1 : 0);
                until += (four.x >= key ? 1 : 0) + (four.y >= key ? 1 : 0) + (four.z >= key ? 1 : 0) + (four.w >= key ? 1 : 0);
            }
            simdgroup_barrier(mem_flags::mem_none);  // all lanes are back
            uint both = before << 16 | until;  // at most LISTED + 3 each
            for (ushort mask = 1; mask < share; mask *= 2) both += simd_shuffle_xor(both, mask);
            if (key > 0 && both >> 16 < want && want <= (both & 0xffffu)) atomic_store_explicit(&shared.base, key, memory_order_relaxed);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // it is there, and the keys were read
        return atomic_load_explicit(&shared.base, memory_order_relaxed);
    }
    // Puts the first `count` of shared.pairs, no two of which are equal, in order into shared.keys and shared.tokens.
    void sort(uint count, threadgroup Shared& shared) {
        const uint share = shares(count);
        for (uint begin = 0; begin < count; begin += lanes / share) {
            const uint i = begin + lane / share;
            const ulong pair = shared.pairs[i < count ? i : 0];
            uint rank = 0;
#pragma unroll 4
            for (uint j = lane % share; j < count; j += share) rank += shared.pairs[j] > pair ? 1 : 0;
            simdgroup_barrier(mem_flags::mem_none);  // all lanes are back
            for (ushort mask = 1; mask < share; mask *= 2) rank += simd_shuffle_xor(rank, mask);
            if (i < count && lane % share == 0) {
                shared.keys[rank] = uint(pair >> 32);
                shared.tokens[rank] = ~uint(pair);
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the list is in order
    }
};

// What is kept, and the scale of the weights at this stage.
struct Kept {
    uint low, high;    // keys
    uint base;         // every token from this key on is among the candidates
    bool typical, untouched;
    float centre, width, typical_scale, typical_limit;
    float largest, scale, limit;
    ulong total;       // of all tokens, at this scale

    bool closed() const { return low >= base; }
    float distance(uint key) const { return value_of(key) - largest; }
    float surprise(uint key, float centre, float scale, float limit) const {
        const float d = distance(key);
        return abs(fma(d > limit ? d : limit, scale, -centre));
    }
    bool holds(uint key) const {
        if (key < low || key > high) return false;
        return !typical || surprise(key, centre, typical_scale, typical_limit) <= width;
    }
    ulong mass(uint key) const { return units_of(power_of(distance(key), scale, limit).weight); }
    // Its mass times its distance in octaves, in units of 2^-33.
    ulong octaves(uint key) const {
        const float d = distance(key);
        return ulong(power_of(d, scale, limit).weight * -((d > limit ? d : limit) * scale) * (UNITS / 128.0f));
    }
    void cut(uint key) {
        low = max(low, key);
        untouched = false;
    }
};

// What a threshold orders tokens by, and what it adds up.
constant constexpr uint COUNT = 0, MASS = 1, TYPICAL = 2;
inline uint score_of(Kept kept, uint what, uint key, float centre) {
    return what == TYPICAL ? ~as_type<uint>(kept.surprise(key, centre, kept.scale, kept.limit)) : key;
}
inline ulong measure_of(Kept kept, uint what, uint key) { return what == COUNT ? 1ul : kept.mass(key); }

// Candidates have
//   void weigh(kept)                              the scale has changed
//   void keep(kept)                               what is kept has changed
//   ulong together(kept)                          the mass of the kept
//   uint threshold(kept, what, need, centre)      the largest score that kept ones of at least `need` > 0 together reach; 0: all have less
//   ulong octaves(kept)                           the sum of their octaves
//   uint part(kept, need, others)                 the least key of a mass of at least `need`, else ~0, and whether others are kept
//   uint first(kept, row, mass)                   the token that wins the race, or the first of the largest, and the mass of the kept; of a list its key
//                                                 too

// A list, best first, in one SIMD group. What is kept is a stretch of it: of surprises too, since they grow to both sides of the entropy.
struct List {
    threadgroup Shared* shared;
    uint lane, count;
    uint begin, end;  // what is kept

    // Leaves the sums of masses, from the first to each, in shared->pairs.
    void weigh(Kept kept) {
        // An odd number each, so that the lanes meet in no bank.
        const uint each = (count + 31) / 32 | 1, first = min(each * lane, count), last = min(first + each, count);
        ulong own = 0;
        for (uint i = first; i < last; ++i) {
            own += kept.mass(shared->keys[i]);
            shared->pairs[i] = own;
        }
        const ulong before = lanes_before(own);
        for (uint i = first; i < last; ++i) shared->pairs[i] += before;
        simdgroup_barrier(mem_flags::mem_threadgroup);  // the sums are there
    }
    ulong before(uint i) const { return i > 0 ? shared->pairs[i - 1] : 0ul; }
    ulong mass(uint i) const { return shared->pairs[i] - before(i); }

    void keep(Kept kept) {
        uint from = 0xffffffffu, to = 0;
        for (uint i = begin + lane; i < end; i += 32) {
            if (!kept.holds(shared->keys[i])) continue;
            from = min(from, i);
            to = i + 1;
        }
        simdgroup_barrier(mem_flags::mem_none);  // all lanes are back
        end = simd_max(to);
        begin = min(simd_min(from), end);
    }
    ulong together(Kept) const { return before(end) - before(begin); }
    uint threshold(Kept kept, uint what, ulong need, float centre) const {
        if (what == TYPICAL) return least_typical(kept, need, centre);
        uint last = begin + uint(need) - 1;
        if (what == MASS) {
            const ulong reached = before(begin) + need;
            uint less = 0;
            for (uint i = begin + lane; i < end; i += 32) less += shared->pairs[i] < reached ? 1 : 0;
            simdgroup_barrier(mem_flags::mem_none);  // all lanes are back
            last = begin + simd_sum(less);
        } else if (need > end - begin) {
            return 0;
        }
        return last < end ? shared->keys[last] : 0;
    }
    // Surprises are in no order: the bound is halved until it is one.
    NOT_INLINED uint least_typical(Kept kept, ulong need, float centre) const {
        uint low = 0xffffffffu, high = 0;
        for (uint i = begin + lane; i < end; i += 32) {
            const uint score = score_of(kept, TYPICAL, shared->keys[i], centre);
            low = min(low, score);
            high = max(high, score);
        }
        simdgroup_barrier(mem_flags::mem_none);  // all lanes are back
        low = simd_min(low);
        high = simd_max(high);
        while (low < high) {
            const uint middle = high - (high - low) / 2;
            ulong sum = 0;
            for (uint i = begin + lane; i < end; i += 32) {
                if (score_of(kept, TYPICAL, shared->keys[i], centre) >= middle) sum += mass(i);
            }
            if (lanes_sum(sum) >= need) low = middle;
            else high = middle - 1;
        }
        return low;
    }
    ulong octaves(Kept kept) const {
        ulong sum = 0;
        for (uint i = begin + lane; i < end; i += 32) sum += kept.octaves(shared->keys[i]);
        return lanes_sum(sum);
    }
    uint part(Kept, ulong need, thread bool& others) const {
        uint low = 0xffffffffu, fewer = 0;
        for (uint i = begin + lane; i < end; i += 32) {
            if (mass(i) >= need) low = min(low, shared->keys[i]);
            else fewer = 1;
        }
        simdgroup_barrier(mem_flags::mem_none);  // all lanes are back
        others = simd_max(fewer) > 0;
        return simd_min(low);
    }
    uint first(Kept kept, Row row, thread ulong& mass, thread uint& key) const {
        key = shared->keys[0];
        if (row.has(GREEDY)) return shared->tokens[0];
        ulong best = ~0ul;
        uint own = 0;
        for (uint i = begin + lane; i < end; i += 32) {
            const uint token = shared->tokens[i];
            const float inverse = power_of(kept.distance(shared->keys[i]), kept.scale, kept.limit).inverse;
            const float time = exponential_of(bits_of(row.keys, token)) * inverse;
            const ulong heat = ulong(as_type<uint>(time)) << 32 | token;
            own = heat < best ? shared->keys[i] : own;
            best = min(best, heat);
        }
        mass = together(kept);
        const ulong least = lanes_least(best);
        key = simd_max(best == least ? own : 0);
        return uint(least);
    }
};

// The tokens of a row, in a threadgroup.
template <typename T, bool VECTORS> struct Whole {
    const device T* logits;
    threadgroup Shared* shared;
    Team team;
    uint n;
    uint least;  // key that may be drawn; 0 until it is looked for

    // Keys of four neighbours; 0 beyond the row.
    void read(uint quad, thread uint* four) const {
        if (VECTORS) {
            const vec<T, 4> z = ((const device vec<T, 4>*)logits)[quad];
            four[0] = key_of(float(z.x));
            four[1] = key_of(float(z.y));
            four[2] = key_of(float(z.z));
            four[3] = key_of(float(z.w));
        } else {
            for (uint c = 0; c < 4; ++c) four[c] = 4 * quad + c < n ? key_of(float(logits[4 * quad + c])) : 0u;
        }
    }
    uint quads() const { return (n + 3) / 4; }

    void weigh(Kept) {}
    void keep(Kept) {}
    void look_for_least() {
        ulong low = ~0ul;
        uint four[4];
        for (uint quad = team.lane; quad < quads(); quad += team.lanes) {
            read(quad, four);
            for (uint c = 0; c < 4; ++c) low = four[c] > 0 && four[c] < low ? four[c] : low;
        }
        least = uint(team.least(low, *shared));
    }
    NOT_INLINED ulong together(Kept kept) {
        ulong sum = 0;
        uint four[4];
        for (uint quad = team.lane; quad < quads(); quad += team.lanes) {
            read(quad, four);
            for (uint c = 0; c < 4; ++c) sum += kept.holds(four[c]) ? kept.mass(four[c]) : 0ul;
        }
        return team.sum(sum, *shared);
    }

    // How far a score is from the best one, and its slot among equally wide ones.
    static float behind(Kept kept, uint what, uint score) {
        return what == TYPICAL ? as_type<float>(~score) : kept.largest - value_of(score);
    }
    static uint slot(Kept kept, uint what, uint score, float scale) {
        const float at = behind(kept, what, score) * scale;
        return at < float(BINS - 1) ? uint(at) : BINS - 1;
    }

    // Parts the scores into bins, of equal width in what is behind the best at first, then of equal numbers of scores in the bin that was found.
    NOT_INLINED uint threshold(Kept kept, uint what, ulong need, float centre) {
        if (least == 0) look_for_least();
        uint low = least, high = key_of(kept.largest);
        float width = kept.largest - value_of(least);
        if (what == TYPICAL) {
            width = 2.0f * max(kept.surprise(least, centre, kept.scale, kept.limit), abs(centre)) + 1.0f;
            low = ~as_type<uint>(width);
            high = 0xffffffffu;
        }
        const float scale = float(BINS) / clamp(width, 1.0e-30f, 128.0f);
        ulong above = 0;  // of the scores beyond high
        for (bool first = true; first || low < high; first = false) {
            uint shift = 0;
            while ((high - low) >> shift >= BINS) ++shift;
            for (uint bin = team.lane; bin < BINS; bin += team.lanes) {
                atomic_store_explicit(&shared->low[bin], 0u, memory_order_relaxed);
                atomic_store_explicit(&shared->high[bin], 0u, memory_order_relaxed);
            }
            threadgroup_barrier(mem_flags::mem_threadgroup);  // the bins are empty
            uint four[4];
            for (uint quad = team.lane; quad < quads(); quad += team.lanes) {
                read(quad, four);
                for (uint c = 0; c < 4; ++c) {
                    if (!kept.holds(four[c])) continue;
                    const uint score = score_of(kept, what, four[c], centre);
                    if (score < low || score > high) continue;
                    const ulong measure = measure_of(kept, what, four[c]);
                    const uint bin = first ? slot(kept, what, score, scale) : (high - score) >> shift, word = uint(measure);
                    const uint old = atomic_fetch_add_explicit(&shared->low[bin], word, memory_order_relaxed);
                    const uint carried = uint(measure >> 32) + (old + word < old ? 1 : 0);
                    if (carried > 0) atomic_fetch_add_explicit(&shared->high[bin], carried, memory_order_relaxed);
                }
            }
            threadgroup_barrier(mem_flags::mem_threadgroup);  // all scores are counted
            if (team.lane < 32) find(need, above);
            threadgroup_barrier(mem_flags::mem_threadgroup);  // the bin is found
            const uint bin = shared->bin;
            if (bin == BINS) return 0;
            above = shared->above;
            if (first) {
                narrow(kept, what, scale, bin, low, high);
            } else {
                const uint best = high - (bin << shift), rest = (1u << shift) - 1;
                low = best - low > rest ? best - rest : low;
                high = best;
            }
        }
        return low;
    }
    // The first bin with which, from the best on, `need` is reached; BINS: none. One SIMD group.
    void find(ulong need, ulong above) {
        const uint begin = BINS / 32 * team.lane;
        ulong own = 0;
        for (uint bin = begin; bin < begin + BINS / 32; ++bin) own += held(bin);
        ulong before = above + lanes_before(own);
        if (team.lane == 31 && before + own < need) shared->bin = BINS;
        if (before >= need || need > before + own) return;
        uint bin = begin;
        for (; before + held(bin) < need; ++bin) before += held(bin);
        shared->bin = bin;
        shared->above = before;
    }
    ulong held(uint bin) const {
        return ulong(atomic_load_explicit(&shared->high[bin], memory_order_relaxed)) << 32 |
               atomic_load_explicit(&shared->low[bin], memory_order_relaxed);
    }
    // The scores of a slot.
    void narrow(Kept kept, uint what, float scale, uint bin, thread uint& low, thread uint& high) const {
        uint below = low;
        while (below < high) {
            const uint middle = high - (high - below) / 2;
            if (slot(kept, what, middle, scale) >= bin) below = middle;
            else high = middle - 1;
        }
        uint end = high;
        while (low < end) {
            const uint middle = low + (end - low) / 2;
            if (slot(kept, what, middle, scale) <= bin) end = middle;
            else low = middle + 1;
        }
    }

    ulong octaves(Kept kept) {
        ulong sum = 0;
        uint four[4];
        for (uint quad = team.lane; quad < quads(); quad += team.lanes) {
            read(quad, four);
            for (uint c = 0; c < 4; ++c) sum += kept.holds(four[c]) ? kept.octaves(four[c]) : 0ul;
        }
        return team.sum(sum, *shared);
    }
    uint part(Kept kept, ulong need, thread bool& others) {
        ulong low = ~0ul, fewer = 0;
        uint four[4];
        for (uint quad = team.lane; quad < quads(); quad += team.lanes) {
            read(quad, four);
            for (uint c = 0; c < 4; ++c) {
                if (!kept.holds(four[c])) continue;
                if (kept.mass(four[c]) >= need) low = four[c] < low ? four[c] : low;
                else fewer = 1;
            }
        }
        low = team.least(low, *shared);
        others = team.sum(fewer, *shared) > 0;
        return uint(low);
    }
    NOT_INLINED uint first(Kept kept, Row row, thread ulong& mass) {
        ulong best = ~0ul, sum = 0;
        uint four[4];
        for (uint quad = team.lane; quad < quads(); quad += team.lanes) {
            read(quad, four);
            for (uint c = 0; c < 4; ++c) {
                if (!kept.holds(four[c])) continue;
                const Power power = power_of(kept.distance(four[c]), kept.scale, kept.limit);
                sum += units_of(power.weight);
                const uint token = 4 * quad + c;
                const float time = row.has(GREEDY) ? 0.0f : exponential_of(bits_of(row.keys, token)) * power.inverse;
                best = min(best, ulong(as_type<uint>(time)) << 32 | token);
            }
        }
        mass = team.sum(sum, *shared);
        return uint(team.least(best, *shared));
    }
};

constant constexpr uint TEMPERATURE = 1, TOP_N_SIGMA = 2, TOP_K = 3, TYPICAL_P = 4, TOP_P = 5, MIN_P = 6, XTC = 7;

// Applies the filters in the row's order. False where the candidates are too few to tell.
template <typename C>
inline bool filter(thread C& candidates, thread Kept& kept, Row row, ulong warm, float deviation) {
    for (uint order = row.order; order > 0; order >>= 4) {
        const uint stage = order & 15;
        if (stage == TEMPERATURE) {
            kept.scale = row.scale;
            kept.limit = row.limit;
            kept.total = warm;
            candidates.weigh(kept);
            continue;
        } else if (stage == TOP_N_SIGMA) {
            kept.cut(key_of(fma(-row.sigma, deviation, kept.largest)));
        } else if (stage == MIN_P) {
            kept.cut(key_of(kept.largest - row.min_p));
        } else if (stage == TOP_K) {
            const uint key = candidates.threshold(kept, COUNT, row.top_k, 0.0f);
            if (key == 0 && !kept.closed()) return false;
            kept.cut(key);
        } else if (stage == TOP_P) {
            if (!kept.untouched && !kept.closed()) return false;
            const ulong total = kept.untouched ? kept.total : candidates.together(kept);
            const uint key = candidates.threshold(kept, MASS, max(part_of(total, row.top_p), 1ul), 0.0f);
            if (key == 0 && !kept.closed()) return false;
            kept.cut(key);
        } else if (stage == TYPICAL_P) {
            if (!kept.closed()) return false;
            const ulong total = candidates.together(kept);
            if (total == 0) continue;
            const float centre = -(float(candidates.octaves(kept)) / float(total)) * 128.0f;
            const uint score = candidates.threshold(kept, TYPICAL, max(part_of(total, row.typical), 1ul), centre);
            kept.typical = true;
            kept.centre = centre;
            kept.width = as_type<float>(~score);
            kept.typical_scale = kept.scale;
            kept.typical_limit = kept.limit;
            kept.untouched = false;
        } else if (stage == XTC) {
            if (bits_of(row.keys, 0xffffffffu) > row.xtc_bits) continue;
            if (!kept.untouched && !kept.closed()) return false;
            const ulong total = kept.untouched ? kept.total : candidates.together(kept);
            bool others = false;
            const uint low = candidates.part(kept, part_of(total, row.xtc_threshold), others);
            if (!others && !kept.closed()) return false;
            if (low != 0xffffffffu) {
                kept.high = low;
                kept.untouched = false;
            }
        }
        candidates.keep(kept);
    }
    return kept.closed();
}
