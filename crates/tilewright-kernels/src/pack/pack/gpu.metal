// Four words of 16 bytes a thread, a group's width apart.
using E = typename Element<BYTES>::type;
constexpr uint PER = 16 / BYTES;
threadgroup ulong parts[32];
const uint lane = thread_position_in_threadgroup.x, lanes = threads_per_threadgroup.x;
const Axes axes = {{e0, e1, e2, e3, e4, e5}, {s0, s1, s2, s3, s4, s5}};
const device E* source = (const device E*)x;
device uchar* target = out + start;
const uint words = (elements + PER - 1) / PER;
ulong sum = 0;
for (uint i = 0; i < 4; ++i) {
    const uint word = (threadgroup_position_in_grid.x * 4 + i) * lanes + lane;
    if (word >= words) break;
    const uint first = word * PER, count = min(PER, elements - first);
    uint4 four = uint4(0);
    if (WORDS) {
        four = ((const device uint4*)(source + axes.place(first)))[0];
        ((device uint4*)target)[word] = four;
    } else {
        for (uint e = 0; e < count; ++e) {
            const E element = source[axes.place(first + e)];
            ((device E*)target)[first + e] = element;
            Element<BYTES>::put(four, e, element);
        }
        // Another tensor follows from the next multiple of 16 on.
        for (uint e = count; padded && e < PER; ++e) ((device E*)target)[first + e] = 0;
    }
    sum += pair_of(four.x, four.y, 4 * word);
    if (count * BYTES > 8) sum += pair_of(four.z, four.w, 4 * word + 2);
}
sum = sum_of(sum, parts, lane, lanes);
if (lane == 0) sums[threadgroup_position_in_grid.x] = sum;
