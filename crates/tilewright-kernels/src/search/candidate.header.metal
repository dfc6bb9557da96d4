// A candidate: the complement of the distance's key above the complement of the id. The larger word is the nearer row, 0 is none, and NaN is
// before none and after everything else.
inline ulong candidate_near(float distance, uint id) {
    const uint key = distance != distance ? ~0u : key_of(distance);
    return (ulong(~key) << 32) | ulong(~id);
}

// What a round of a selection takes: candidates after the last one of the round before it. Those that equal that one are counted: the round before it may have
// shown only some of them. No candidate is ~0, the bound of the first round.
struct After {
    ulong bound;
    uint repeats;

    ulong taken(ulong candidate) {
        repeats += candidate == bound ? 1 : 0;
        return candidate < bound ? candidate : 0ul;
    }
};
