// One group of 20 threads: x [20] float; out [20 * 6] float. A lane that asks for one that is not there
// (Metal: undefined) gets its own value; a lane past 31 is not there either.
const uint lane = thread_index_in_simdgroup;
const float v = x[lane];
uint n = lane * 6;
out[n++] = simd_shuffle_down(v, 4);
out[n++] = simd_shuffle_up(v, 4);
out[n++] = simd_shuffle(v, ushort(lane + 10));
out[n++] = simd_shuffle_xor(v, 16);
out[n++] = simd_shuffle(v, 77);
out[n++] = simd_broadcast(v, 25);
