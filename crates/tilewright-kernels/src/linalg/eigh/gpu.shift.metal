// A group of 256 threads a matrix: it is made positive definite by more than the root of |a a|, in Frobenius' norm, which bounds every
// eigenvalue, and more closely than the norm of a does.
threadgroup S sums[8];
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const device S* from = scaled + ulong(item) * n * n;
const device S* products = square + ulong(item) * n * n;
device S* to = shifted + ulong(item) * n * n;

S total = S(0);
for (uint e = t; e < n * n; e += 256) total += products[e] * products[e];
total = simd_sum(total);
if (t % 32 == 0) sums[t / 32] = total;
// All are there before they are added.
threadgroup_barrier(mem_flags::mem_threadgroup);
total = S(0);
for (uint g = 0; g < 8; ++g) total += sums[g];
const S more = total > S(0) ? S(1.125f) * sqrt(sqrt(total)) : S(1);
for (uint e = t; e < n * n; e += 256) to[e] = from[e] + (e / n == e % n ? more : S(0));
if (t == 0) shift[item] = more;
