// A thread an element: both triangles over the largest element of the matrix, or 0 where that is no number.
const ulong elements = ulong(n) * n;
const ulong index = thread_position_in_grid.x + ulong(thread_position_in_grid.y) * threads_per_grid.x;
if (index >= elements * items) { return; }
const ulong item = index / elements, e = index % elements;
S largest = S(0);
for (uint part = 0; part < parts; ++part) {
    const S size = sizes[item * parts + part];
    largest = size > largest || size != size ? size : largest;
}
// The difference of an infinity or NaN with itself is NaN.
const bool finite = largest - largest == S(0);
const S size = largest > S(0) ? largest : S(1);
const ulong i = e / n, j = e % n;
const ulong row = upper ? min(i, j) : max(i, j), column = upper ? max(i, j) : min(i, j);
const S x = finite ? a[item * elements + row * n + column] / size : S(0);
whole[index] = negative ? -x : x;
if (e == 0) scale[item] = finite ? (negative ? -size : size) : S(NAN);
