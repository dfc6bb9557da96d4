// Rows after their tiles are known. The candidates are a list of the best tokens where that suffices, else the row itself.

constant constexpr uint LISTED = 1024;  // tokens that a list holds
constant constexpr uint PAIRED = 512;   // up to so many, each candidate is compared with every other
constant constexpr uint PIVOTS = 7;     // that a search tries in one pass

// Functions with several callers and loops inside: a compiler that inlines them all takes ten times as long.
#define NOT_INLINED __attribute__((noinline))

struct Shared {
    uint keys[LISTED];
    uint tokens[LISTED];
    uint groups[LISTED];
    uint tops[LISTED];  // the groups' largest keys
    ulong masses[PAIRED];
    uint scores[PAIRED];
    ulong partial[2][PIVOTS][32];  // by turns, so that one barrier suffices
    atomic_uint filled;
};

inline ulong from_lane(ulong value, ushort mask) {
    uint2 words = as_type<uint2>(value);
    return as_type<ulong>(uint2(simd_shuffle_xor(words.x, mask), simd_shuffle_xor(words.y, mask)));
}

// A threadgroup and this thread in it.
struct Team {
    uint lane, lanes, turn;

    NOT_INLINED void sums(thread ulong* values, uint count, threadgroup Shared& shared) {
        turn ^= 1;
        for (uint i = 0; i < count; ++i) {
            ulong sum = values[i];
            for (ushort mask = 16; mask > 0; mask /= 2) sum += from_lane(sum, mask);
            if (lane % 32 == 0) shared.partial[turn][i][lane / 32] = sum;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // this turn's parts are there, and the last turn's were read
        for (uint i = 0; i < count; ++i) {
            values[i] = 0;
            for (uint part = 0; part < lanes / 32; ++part) values[i] += shared.partial[turn][i][part];
        }
    }
    ulong sum(ulong value, threadgroup Shared& shared) {
        sums(&value, 1, shared);
        return value;
    }
    NOT_INLINED ulong least(ulong value, threadgroup Shared& shared) {
        turn ^= 1;
        for (ushort mask = 16; mask > 0; mask /= 2) {
            const ulong other = from_lane(value, mask);
            value = other < value ? other : value;
        }
        if (lane % 32 == 0) shared.partial[turn][0][lane / 32] = value;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // as in sums
        for (uint part = 0; part < lanes / 32; ++part) {
            const ulong other = shared.partial[turn][0][part];
            value = other < value ? other : value;
        }
        return value;
    }
};

struct List {
    const threadgroup Shared* shared;
    uint count;
    uint key(uint i) const { return shared->keys[i]; }
    uint token(uint i) const { return shared->tokens[i]; }
};

template <typename T> struct Whole {
    const device T* logits;
    uint count;
    uint key(uint i) const { return key_of(float(logits[i])); }
    uint token(uint i) const { return i; }
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
};

// What a threshold orders tokens by, and what it adds up.
constant constexpr uint COUNT = 0, MASS = 1, TYPICAL = 2;
inline uint score_of(Kept kept, uint what, uint key, float centre) {
    return what == TYPICAL ? ~as_type<uint>(kept.surprise(key, centre, kept.scale, kept.limit)) : key;
}
inline ulong measure_of(Kept kept, uint what, uint key) { return what == COUNT ? 1ul : kept.mass(key); }

// The largest score that candidates of at least `need` together reach. All together have at least `need`, which is not 0.
template <typename C>
NOT_INLINED uint threshold(thread Team& team, threadgroup Shared& shared, C candidates, Kept kept, uint what, ulong need, float centre) {
    if (candidates.count <= PAIRED) {
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the last threshold's masses were read
        for (uint i = team.lane; i < candidates.count; i += team.lanes) {
            const uint key = candidates.key(i);
            const bool in = kept.holds(key);
            shared.scores[i] = in ? score_of(kept, what, key, centre) : 0u;
            shared.masses[i] = in ? measure_of(kept, what, key) : 0ul;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all masses are there
        ulong low = ~0ul;
        for (uint i = team.lane; i < candidates.count; i += team.lanes) {
            const uint score = shared.scores[i];
            ulong before = 0;
#pragma unroll 8
            for (uint j = 0; j < candidates.count; ++j) before += shared.scores[j] > score ? shared.masses[j] : 0ul;
            if (score > 0 && before < need && score < low) low = score;
        }
        return uint(team.least(low, shared));
    }
    uint low = 1, high = 0xffffffffu;
    while (low < high) {
        const uint step = (high - low) / (PIVOTS + 1) + 1;
        ulong reached[PIVOTS];
        for (uint p = 0; p < PIVOTS; ++p) reached[p] = 0;
        for (uint i = team.lane; i < candidates.count; i += team.lanes) {
            const uint key = candidates.key(i);
            if (!kept.holds(key)) continue;
            const uint score = score_of(kept, what, key, centre);
            if (score < low) continue;
            const ulong measure = measure_of(kept, what, key);
            for (uint p = 0; p < PIVOTS; ++p) reached[p] += score - low >= (p + 1) * ulong(step) ? measure : 0ul;
        }
        team.sums(reached, PIVOTS, shared);
        ulong next = low, above = ulong(high) + 1;
        for (uint p = 0; p < PIVOTS; ++p) {
            const ulong pivot = low + (p + 1) * ulong(step);
            if (pivot > high) break;
            if (reached[p] >= need) {
                next = pivot;
            } else {
                above = pivot;
                break;
            }
        }
        low = uint(next);
        high = uint(above - 1);
    }
    return low;
}

// The sum over the kept candidates.
template <typename C>
NOT_INLINED ulong together(thread Team& team, threadgroup Shared& shared, C candidates, Kept kept, uint what) {
    ulong sum = 0;
    for (uint i = team.lane; i < candidates.count; i += team.lanes) {
        const uint key = candidates.key(i);
        if (kept.holds(key)) sum += measure_of(kept, what, key);
    }
    return team.sum(sum, shared);
}

// The total that a filter by mass takes its part of; 0 where the candidates do not tell it.
template <typename C>
ulong total_of(thread Team& team, threadgroup Shared& shared, C candidates, Kept kept) {
    if (kept.untouched) return kept.total;
    return kept.closed() ? together(team, shared, candidates, kept, MASS) : 0ul;
}

constant constexpr uint TEMPERATURE = 1, TOP_N_SIGMA = 2, TOP_K = 3, TYPICAL_P = 4, TOP_P = 5, MIN_P = 6, XTC = 7;

// Applies the filters in the row's order. False where the candidates are too few to tell.
template <typename C, typename W>
NOT_INLINED bool filter(thread Team& team, threadgroup Shared& shared, C candidates, W whole, thread Kept& kept, Row row, ulong warm) {
    for (uint order = row.order; order > 0; order >>= 4) {
        const uint stage = order & 15;
        if (stage == TEMPERATURE) {
            kept.scale = row.scale;
            kept.limit = row.limit;
            kept.total = warm;
        } else if (stage == TOP_N_SIGMA) {
            ulong sums[3] = {0, 0, 0};
            for (uint i = team.lane; i < whole.count; i += team.lanes) {
                const uint key = whole.key(i);
                if (key == 0) continue;
                const float d = kept.largest - value_of(key);
                const ulong q = ulong((d < 255.0f ? d : 255.0f) * 4096.0f);
                sums[0] += 1;
                sums[1] += q;
                sums[2] += q * q;
            }
            team.sums(sums, 3, shared);
            const ulong mean = sums[1] / sums[0];
            const ulong square = sums[2] - 2 * mean * sums[1] + sums[0] * mean * mean;
            const uint low = key_of(fma(-row.sigma, precise::sqrt(float(square / sums[0])), kept.largest));
            kept.low = max(kept.low, low);
            kept.untouched = false;
        } else if (stage == MIN_P) {
            kept.low = max(kept.low, key_of(kept.largest - row.min_p));
            kept.untouched = false;
        } else if (stage == TOP_K) {
            const ulong count = together(team, shared, candidates, kept, COUNT);
            if (count < row.top_k) {
                if (!kept.closed()) return false;
                kept.untouched = false;
                continue;
            }
            kept.low = max(kept.low, threshold(team, shared, candidates, kept, COUNT, row.top_k, 0.0f));
            kept.untouched = false;
        } else if (stage == TOP_P) {
            const ulong total = total_of(team, shared, candidates, kept);
            if (total == 0) return false;
            const ulong need = max(part_of(total, row.top_p), 1ul);
            if (together(team, shared, candidates, kept, MASS) < need) {
                if (!kept.closed()) return false;
                kept.untouched = false;
                continue;
            }
            kept.low = max(kept.low, threshold(team, shared, candidates, kept, MASS, need, 0.0f));
            kept.untouched = false;
        } else if (stage == TYPICAL_P) {
            if (!kept.closed()) return false;
            const ulong total = together(team, shared, candidates, kept, MASS);
            ulong sum = 0;  // of weight times distance in octaves, in units of 2^-33
            for (uint i = team.lane; i < candidates.count; i += team.lanes) {
                const uint key = candidates.key(i);
                if (!kept.holds(key)) continue;
                const float d = kept.distance(key), octaves = (d > kept.limit ? d : kept.limit) * kept.scale;
                const float term = power_of(d, kept.scale, kept.limit).weight * -octaves;
                sum += ulong(term * (UNITS / 128.0f));
            }
            sum = team.sum(sum, shared);
            const float centre = -(float(sum) / float(total)) * 128.0f;
            const ulong need = max(part_of(total, row.typical), 1ul);
            const uint score = threshold(team, shared, candidates, kept, TYPICAL, need, centre);
            kept.typical = true;
            kept.centre = centre;
            kept.width = as_type<float>(~score);
            kept.typical_scale = kept.scale;
            kept.typical_limit = kept.limit;
            kept.untouched = false;
        } else if (stage == XTC) {
            if (bits_of(row.keys, 0xffffffffu) > row.xtc_bits) continue;
            const ulong total = total_of(team, shared, candidates, kept);
            if (total == 0) return false;
            const ulong need = part_of(total, row.xtc_threshold);
            ulong low = ~0ul, others = 0;
            for (uint i = team.lane; i < candidates.count; i += team.lanes) {
                const uint key = candidates.key(i);
                if (!kept.holds(key)) continue;
                if (kept.mass(key) >= need) low = min(low, ulong(key));
                else others = 1;
            }
            low = team.least(low, shared);
            others = team.sum(others, shared);
            if (others == 0 && !kept.closed()) return false;
            if (low != ~0ul) {
                kept.high = uint(low);
                kept.untouched = false;
            }
        }
    }
    return kept.closed();
}

// The kept token that wins the race, or the first of the largest ones. `mass`: that of the kept, at the last scale.
template <typename C>
NOT_INLINED uint draw(thread Team& team, threadgroup Shared& shared, C candidates, Kept kept, Row row, thread ulong& mass) {
    kept.scale = row.scale;
    kept.limit = row.limit;
    ulong best = ~0ul;
    mass = 0;
    for (uint i = team.lane; i < candidates.count; i += team.lanes) {
        const uint key = candidates.key(i);
        if (!kept.holds(key)) continue;
        const uint token = candidates.token(i);
        const Power power = power_of(kept.distance(key), kept.scale, kept.limit);
        mass += units_of(power.weight);
        const float time = row.has(GREEDY) ? 0.0f : exponential_of(bits_of(row.keys, token)) * power.inverse;
        best = min(best, ulong(as_type<uint>(time)) << 32 | token);
    }
    mass = team.sum(mass, shared);
    return uint(team.least(best, shared));
}
