// Four words of 16 bytes a thread, a group's width apart.
using E = typename Element<BYTES>::type;
constexpr uint PER = 16 / BYTES;
threadgroup ulong parts[32];
const uint lane = thread_position_in_threadgroup.x, lanes = threads_per_threadgroup.x;
const Axes axes = {{e0, e1, e2, e3, e4, e5}, {s0, s1, s2, s3, s4, s5}};
const uint words = (elements + PER - 1) / PER;
device E* target = (device E*)out;
ulong sum = 0;
for (uint i = 0; i < 4; ++i) {
    const uint word = (threadgroup_position_in_grid.x * 4 + i) * lanes + lane;
    if (word >= words) break;
    const uint first = word * PER, count = min(PER, elements - first);
    uint4 four = uint4(0);
    if (WORDS || (ALIGNED && count == PER)) {
        four = ((const device uint4*)x)[word];
    } else {
        for (uint byte = 0; byte < count * BYTES; ++byte) four[byte / 4] |= uint(x[16 * size_t(word) + byte]) << (byte % 4 * 8);
    }
    if (WORDS) {
        ((device uint4*)(target + axes.place(first)))[0] = four;
    } else {
        for (uint e = 0; e < count; ++e) target[axes.place(first + e)] = Element<BYTES>::get(four, e);
    }
    sum += pair_of(four.x, four.y, 4 * word);
    if (count * BYTES > 8) sum += pair_of(four.z, four.w, 4 * word + 2);
}
sum = sum_of(sum, parts, lane, lanes);
if (lane == 0) sums[threadgroup_position_in_grid.x] = sum;
