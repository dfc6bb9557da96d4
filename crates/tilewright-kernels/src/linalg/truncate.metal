// A group of 128 threads a matrix: every thread counts the rank, and all of them take the rows.
const uint item = threadgroup_position_in_grid.x;
const device S* values = s + ulong(item) * k;
const S least = S(rcond) * values[0];
uint count = 0;
bool valid = true;
for (uint i = 0; i < k; ++i) {
    // The difference of an infinity or NaN with itself is NaN.
    valid = valid && values[i] - values[i] == S(0);
    count += values[i] > least ? 1 : 0;
}
for (uint e = thread_index_in_threadgroup; e < k * n; e += 128) {
    const ulong at = ulong(item) * k * n + e;
    out[at] = !valid ? S(NAN) : e / n < count ? rows[at] / values[e / n] : S(0);
}
if (thread_index_in_threadgroup == 0) rank[item] = valid ? int(count) : -1;
