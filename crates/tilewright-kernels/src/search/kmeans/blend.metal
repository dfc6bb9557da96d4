// Centroids as the means of all rows that came to them so far: those before and the means of a batch, by how many rows each of them has. One thread an element.
const size_t at = size_t(threadgroup_position_in_grid.x) * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (at >= size_t(k) * d) return;
const uint c = uint(at / d);
const ulong fresh = counts[c], all = seen[c] + fresh;
const float before = old[at], mean = means[at];
next[at] = fresh == 0 ? before : fresh == all ? mean : before + (mean - before) * (float(fresh) / float(all));
if (at % d == 0) now[c] = all;
