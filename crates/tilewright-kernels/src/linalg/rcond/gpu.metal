// A group a matrix: a climb over the corners of the unit ball of the 1-norm, to a lower bound of the norm of the inverse (Higham 1988, algorithm
// 4.1). All threads take the same turns. A thread has the same elements of x at all times, n / THREADS of them, 32 at most, and a bit for the sign of each.
constexpr uint THREADS = 32 * SIMDS;
threadgroup S parts[SIMDS];
threadgroup S block[32 * 33];
threadgroup S* x = (threadgroup S*)memory;
const uint t = thread_index_in_threadgroup;
const uint item = threadgroup_position_in_grid.x;
const Factors<SIMDS, S> a = {lu + ulong(item) * n * n, n, x, block, parts, t};
const S size = norm[item];
S bound = S(0);
// The exchanges of rows are exchanges of the inverse's columns, which its norm does not see.
if (info[item] == 0 && size - size == S(0)) {
    for (uint i = t; i < n; i += THREADS) x[i] = S(1) / S(n);
    a.solve(false);
    bound = a.size();
    uint corner = n, before = 0;
    // Beyond the range of numbers there is nothing to climb to.
    for (uint visited = 0; n > 1 && bound - bound == S(0); ++visited) {
        uint signs = 0;
        for (uint i = t, bit = 0; i < n; i += THREADS, ++bit) signs |= uint(x[i] >= S(0)) << bit;
        const bool changed = group_sum<SIMDS, S>(S(visited == 0 || signs != before), parts, t) > S(0);
        // LAPACK visits four at most.
        if (!changed || visited == 4) break;
        before = signs;
        for (uint i = t, bit = 0; i < n; i += THREADS, ++bit) x[i] = signs >> bit & 1 ? S(1) : S(-1);
        a.solve(true);
        S most = S(0);
        for (uint i = t; i < n; i += THREADS) most = best<true, S>(most, magnitude(x[i]));
        most = group_best<true, SIMDS, S>(most, parts, t);
        // Of equal ones the first: the largest, counted from the end.
        S from_end = S(0);
        for (uint i = t; i < n; i += THREADS) {
            if (magnitude(x[i]) == most) from_end = best<true, S>(from_end, S(n - i));
        }
        from_end = group_best<true, SIMDS, S>(from_end, parts, t);
        const bool repeated = corner < n && magnitude(x[corner]) == most;
        // None is equal to NaN.
        if (repeated || from_end == S(0)) break;
        corner = n - uint(from_end);
        // The corner before was read by all before it is overwritten.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint i = t; i < n; i += THREADS) x[i] = S(i == corner);
        a.solve(false);
        const S grown = a.size();
        if (grown <= bound) break;
        bound = grown;
    }
    if (n > 1 && bound - bound == S(0)) {
        // The corner was read by all before it is overwritten.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        // What counterexamples to the climb cannot hide from.
        for (uint i = t; i < n; i += THREADS) x[i] = (S(1) + S(i) / S(n - 1)) * (i % 2 == 0 ? S(1) : S(-1));
        a.solve(false);
        const S other = a.size() * S(2) / S(3 * n);
        if (!(other <= bound)) bound = other;
    }
}
// A bound that left the range of numbers is that of a matrix that is singular to every purpose.
if (t == 0) rcond[item] = size != size ? size : bound > S(0) ? S(1) / bound / size : S(0);
