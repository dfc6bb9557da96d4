using W = typename Word<BYTES>::type;
// One word of a token a thread.
const uint token = threadgroup_position_in_grid.y, width = r_words + p_words;
const uint word = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
const long slot = slots[token];
if (slot < 0 || slot >= long(capacity) || word >= width) return;
W value;
if (word < r_words) value = ((const device W*)latent)[size_t(token) * r_words + word];
else value = ((const device W*)rotated)[size_t(token) * p_words + word - r_words];
((device W*)cache)[size_t(slot) * width + word] = value;
