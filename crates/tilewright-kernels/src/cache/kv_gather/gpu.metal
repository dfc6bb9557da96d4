using W = typename Word<BYTES>::type;
// One word of the result a thread.
const size_t id = thread_position_in_grid.x;
if (id >= total) return;
const uint word = id % words;
const uint line = id / words, inner = heads_first ? tokens : heads, outer = heads_first ? heads : tokens;
const uint a = line / inner % outer, b = line % inner, sequence = line / inner / outer;
const uint token = heads_first ? b : a, head = heads_first ? a : b;
W value = W(0);
if (int(token) < lengths[sequence]) {
    const int number = table[size_t(sequence) * entries + token / block];
    if (number >= 0 && uint(number) < blocks) {
        value = ((const device W*)cache)[((size_t(number) * block + token % block) * heads + head) * words + word];
    }
}
((device W*)out)[id] = value;
