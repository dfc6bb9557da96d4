// The running sums of each part of each row, onto what precedes the part: carry[row, part].
// A SIMD group takes 512 positions, in 4 steps of a quad for each lane; positions count in the order of the scan.
using A = typename Sum<T>::type;
const Item item = item_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x,
                          thread_position_in_threadgroup.x, n, chunk, parts);
if (item.index >= items) return;  // whole SIMD groups, and only where there is no barrier
const size_t start = size_t(item.row) * n + item.first;
const uint group = item.lane / 32, lane = item.lane % 32;
const bool aligned = (shift | n % 4) == 0;  // every row, and so every part, starts and ends with a quad

A sums[16];
A running = A(0);
for (uint step = 0; step < 4; ++step) {
    const uint position = group * 512 + step * 128 + lane * 4;
    A quad[4];
    load_quad(x + start, position, item.count, aligned, reverse, quad);
    const A one = quad[0], two = one + quad[1], three = two + quad[2], four = three + quad[3];
    A through = four;
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const A below = Lane<A>::below(through, distance);
        if (lane >= distance) through += below;
    }
    A before = Lane<A>::below(through, 1);
    if (lane == 0) before = A(0);
    before += running;
    running += Lane<A>::of(through, 31);
    sums[4 * step] = exclusive ? before : before + one;
    sums[4 * step + 1] = before + (exclusive ? one : two);
    sums[4 * step + 2] = before + (exclusive ? two : three);
    sums[4 * step + 3] = before + (exclusive ? three : four);
}

threadgroup A totals[8];
A before = carried ? A(carry[item.index]) : A(0);
if (wide) {
    if (lane == 0) totals[group] = running;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' totals are there
    A preceding = A(0);
    for (uint other = 0; other < group; ++other) preceding += totals[other];
    before += preceding;
}
for (uint step = 0; step < 4; ++step) {
    A quad[4];
    for (uint i = 0; i < 4; ++i) quad[i] = sums[4 * step + i] + before;
    store_quad(out + start, group * 512 + step * 128 + lane * 4, item.count, aligned, reverse, quad);
}
