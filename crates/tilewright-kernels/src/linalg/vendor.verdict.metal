// A group of 256 threads: the first pivot, counted from 1, that is not a positive finite number, or the one that the library names; 0: none.
threadgroup uint firsts[8];
const uint t = thread_index_in_threadgroup;
uint first = info[0] > 0 ? uint(info[0]) : n + 1;
for (uint k = t; k < n; k += 256) {
    const S root = factor[ulong(k) * n + k];
    // The difference of an infinity or NaN with itself is NaN.
    if (!(root > S(0) && root - root == S(0))) first = min(first, k + 1);
}
first = simd_min(first);
if (t % 32 == 0) firsts[t / 32] = first;
// All are there before they are compared.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint g = 0; g < 8; ++g) first = min(first, firsts[g]);
if (t == 0) verdict[0] = first > n ? 0 : int(first);
