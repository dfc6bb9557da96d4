// A thread an element: columns over the roots of their squares, or of the first one; what is below zero is one by rounding.
const ulong e = thread_position_in_grid.x + ulong(thread_position_in_grid.y) * threads_per_grid.x;
if (e < elements) {
    const auto square = squares[each ? e % n : 0];
    // NaN is not 0.
    over[e] = O(square > 0 || square != square ? columns[e] / sqrt(square) : columns[e]);
}
if (e < n) {
    const auto square = squares[e];
    roots[e] = O(square < 0 ? square - square : sqrt(square));
}
