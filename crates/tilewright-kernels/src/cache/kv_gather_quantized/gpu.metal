// Four neighbours of a head of a token a thread.
const size_t id = thread_position_in_grid.x;
if (id >= total) return;
const uint quads = (d + 3) / 4, first = 4 * uint(id % quads);
const uint line = uint(id / quads), inner = heads_first ? tokens : heads, outer = heads_first ? heads : tokens;
const uint a = line / inner % outer, b = line % inner, sequence = line / inner / outer;
const uint token = heads_first ? b : a, head = heads_first ? a : b;
int number = -1;
if (int(token) < lengths[sequence]) number = table[size_t(sequence) * entries + token / block];
const bool there = number >= 0 && uint(number) < blocks;
const size_t row = there ? (size_t(number) * block + token % block) * heads + head : 0;
const device V* numbers = (const device V*)values + row * width;
const device float* own = scales + row * groups;
device T* target = out + size_t(line) * d;
if (VECTORS) {
    float4 four = float4(0.0f);
    if (there) four = numbers_of<V, FORMAT>(numbers, first / 4) * own[first / group];
    ((device vec<T, 4>*)target)[first / 4] = vec<T, 4>(four);
} else {
    for (uint at = first; at < min(first + 4, d); ++at) {
        target[at] = T(there ? number_of<V, FORMAT>(numbers, at) * own[at / group] : 0.0f);
    }
}
