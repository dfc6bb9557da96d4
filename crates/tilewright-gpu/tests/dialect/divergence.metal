// One SIMD group of 32: out [32 * 7] uint. Lane l writes at l * 7: SIMD functions where the lanes part, over
// the active ones.
const uint lane = thread_index_in_simdgroup;
uint n = lane * 7;
// Both sides of a branch: the sum of the odd lanes, or of the even ones.
if (lane & 1) {
    out[n++] = simd_sum(lane);
} else {
    out[n++] = simd_sum(lane) + 1000;
}
// A branch within a branch: lanes 0 to 2 only.
uint inner = 0;
if (lane < 9) {
    if (lane < 3) inner = simd_max(lane * 2);
}
out[n++] = inner;
// A loop of lane % 5 rounds: the lanes still in it, summed over the rounds.
uint rounds = 0;
for (uint k = 0; k < lane % 5; ++k) rounds += simd_sum(1u);
out[n++] = rounds;
// After the loop all are back.
out[n++] = simd_sum(1u);
// A vote and a shuffle among the lanes of one side.
uint side = 0;
if (lane >= 20) side = uint((ulong)simd_ballot(lane % 3 == 0) >> 20) * 100 + simd_broadcast_first(lane);
out[n++] = side;
// Uneven strides over 75 elements, then the sum of all: 75 * 74 / 2.
uint total = 0;
for (uint k = lane; k < 75; k += 32) total += k;
out[n++] = simd_sum(total);
// Lanes leave a loop of exchanges one after another.
float held = 0;
for (uint k = 0; k < lane % 7; ++k) held += simd_sum(1.0f) + simd_max(float(k)) - float(k);
out[n++] = uint(held);
