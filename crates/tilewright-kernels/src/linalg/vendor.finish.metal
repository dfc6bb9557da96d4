// `most` threads a matrix: values get their scale back; of a matrix without a result all is NaN.
const ulong index = thread_position_in_grid.x + ulong(thread_position_in_grid.y) * threads_per_grid.x;
if (index >= ulong(items) * most) { return; }
const ulong item = index / most, e = index % most;
const bool failed = scale[item] != scale[item] || info[item] != 0;
if (e < n) values[item * n + e] = failed ? S(NAN) : values[item * n + e] * scale[item];
if (failed && e < elements) vectors[item * elements + e] = S(NAN);
if (e == 0) verdict[item] = failed ? 1 : 0;
