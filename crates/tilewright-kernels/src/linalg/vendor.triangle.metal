// A thread an element: one triangle stays, the other is zero; NaN throughout where there is no factor.
const ulong index = thread_position_in_grid.x + ulong(thread_position_in_grid.y) * threads_per_grid.x;
if (index >= ulong(n) * n) { return; }
const ulong i = index / n, j = index % n;
if (verdict[0] != 0) factor[index] = S(NAN);
else if (upper ? i > j : i < j) factor[index] = S(0);
