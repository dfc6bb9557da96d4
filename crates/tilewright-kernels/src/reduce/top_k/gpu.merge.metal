// Merges neighbouring runs, runs[row, count, length] best first, into merged[row, pairs, kept]. One thread a candidate: its place is its own
// place in its run plus the number of the other run's candidates before it. Zeros, which are no candidates, end a run.
const size_t id = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
const uint pairs = (count + 1) / 2;
const uint place = id % length, side = id / length % 2, pair = id / length / 2 % pairs;
const size_t row = id / length / 2 / pairs;
if (row >= rows) return;
const uint run = 2 * pair + side, other = 2 * pair + 1 - side;
const ulong mine = run < count ? runs[(row * count + run) * length + place] : 0ul;
uint before = 0;
if (other < count) {
    const device uint64_t* theirs = runs + (row * count + other) * length;
    uint end = length;  // theirs[before..end] is still to be compared
    while (before < end) {
        const uint middle = (before + end) / 2;
        // Equal ones are zeros: the first run's come first.
        if (side == 0 ? theirs[middle] > mine : theirs[middle] >= mine) before = middle + 1;
        else end = middle;
    }
} else {
    before = side * length;
}
if (place + before < kept) merged[(row * pairs + pair) * kept + place + before] = mine;
