// One threadgroup a batch entry: a candidate's rank is the number of those before it.
constexpr uint CHUNK = 1024;
threadgroup uint keys[CHUNK];
const uint lane = thread_position_in_threadgroup.x, lanes = threads_per_threadgroup.x;
const size_t entry = threadgroup_position_in_grid.x;
const uint count = beams * each;
const device float* own_logprobs = logprobs + entry * count;
const device uint* own_tokens = found + entry * count;
for (uint first = 0; first < count; first += lanes) {
    const uint at = first + lane;
    float score = NAN;
    if (at < count && own_tokens[at] != 0xffffffffu) score = beam_scores[entry * beams + at / each] + own_logprobs[at];
    const uint key = key_of(score) + 1u;  // of NaN 0, the last
    uint rank = 0;
    for (uint start = 0; start < count; start += CHUNK) {
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the keys before were read
        for (uint i = lane; i < min(CHUNK, count - start); i += lanes) {
            const uint other = start + i;
            float that = NAN;
            if (own_tokens[other] != 0xffffffffu) that = beam_scores[entry * beams + other / each] + own_logprobs[other];
            keys[i] = key_of(that) + 1u;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the keys are there
        for (uint i = 0; i < min(CHUNK, count - start); ++i) {
            rank += keys[i] > key || (keys[i] == key && start + i < at) ? 1 : 0;
        }
    }
    if (at < count && rank < k) {
        scores[entry * k + rank] = score;
        from[entry * k + rank] = at / each;
        tokens[entry * k + rank] = key == 0 ? 0xffffffffu : own_tokens[at];
    }
}
