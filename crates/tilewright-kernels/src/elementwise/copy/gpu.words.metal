// One run without conversion: each thread moves four words, neighbouring threads neighbouring words.
using Word = typename WordOf<BYTES>::type;
const device Word* from = (const device Word*)x;
device Word* to = (device Word*)out;
ulong words = bytes / BYTES;
ulong first = ulong(threadgroup_position_in_grid.x) * threads_per_threadgroup.x * 4 + thread_position_in_threadgroup.x;
uint stride = threads_per_threadgroup.x;
if (first + 3 * stride < words) {
    Word a = from[first], b = from[first + stride], c = from[first + 2 * stride], d = from[first + 3 * stride];
    to[first] = a;
    to[first + stride] = b;
    to[first + 2 * stride] = c;
    to[first + 3 * stride] = d;
} else {
    for (ulong i = first; i < words && i <= first + 3 * stride; i += stride) {
        to[i] = from[i];
    }
}
// Fewer than BYTES bytes are left over.
ulong rest = words * BYTES + thread_position_in_grid.x;
if (rest < bytes) {
    ((device uchar*)out)[rest] = ((const device uchar*)x)[rest];
}
