// The gradients of an interval's gates, from q . dq and k . dk of each token: one thread a token, from the last back.
// What flows over the end of the interval is known; from there back each token adds q . dq - k . dk. At the first interval, the gradient of m.
const uint t = thread_position_in_threadgroup.x, lane = t % 32, simd = t / 32;
const uint index = threadgroup_position_in_grid.x % intervals;
const ulong head = threadgroup_position_in_grid.x / intervals;
const uint first = index * threads_per_threadgroup.x, end = min(first + threads_per_threadgroup.x, s);
const Cell cell = {sigmoid_gate, normalize, eps, cap};
threadgroup float totals[32];

const bool there = t < end - first;
const ulong place = head * s + end - 1 - t;
float by_input = 0.0f, sum = 0.0f;
if (there) {
    by_input = by_key[place];
    sum = by_query[place] - by_input;
}
for (ushort distance = 1; distance < 32; distance *= 2) {
    const float later = simd_shuffle_up(sum, distance);
    if (lane >= distance) sum += later;
}
if (lane == 31) totals[simd] = sum;
threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' sums are there
float flow = 0.0f, start = 0.0f;
for (uint warp = 0; warp < 8; ++warp) {
    flow += over_end[(head * intervals + index) * 8 + warp];
    start += over_start[head * 8 + warp];
}
for (uint other = 0; other < simd; ++other) flow += totals[other];
if (there) {
    di[place] = by_input * input_slope(cell, i[place]);
    df[place] = (flow + sum) * forget_slope(cell, f[place]);
}
if (index == 0 && t == 0) dm[head] = start;
