using W = typename Word<BYTES>::type;
// One word of a token's keys or values a thread.
const uint token = threadgroup_position_in_grid.y;
const uint word = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
const long slot = slots[token];
if (slot < 0 || slot >= long(capacity) || word >= k_words + v_words) return;
if (word < k_words) {
    ((device W*)k_cache)[size_t(slot) * k_words + word] = ((const device W*)k)[size_t(token) * k_words + word];
} else {
    const uint at = word - k_words;
    ((device W*)v_cache)[size_t(slot) * v_words + at] = ((const device W*)v)[size_t(token) * v_words + at];
}
