// Puts what a round found, found[b, extent], behind what the rounds before it found. One SIMD group a query. Of each query `before` has the last candidate of those
// rounds, the places that they filled, and how many of these hold that candidate; `after` has the same of this round too.
const uint query = threadgroup_position_in_grid.x, lane = thread_position_in_threadgroup.x;
const device uint64_t* own = found + size_t(query) * extent;
const ulong bound = before[3 * size_t(query)], start = before[3 * size_t(query) + 1];
const ulong last = own[extent - 1];  // 0 where nothing is left for a further round
uint equal = 0, fresh = 0, same = 0;
for (uint i = lane; i < parts; i += 32) equal += repeats[size_t(query) * parts + i];
for (uint i = lane; i < extent; i += 32) {
    fresh += own[i] != 0 ? 1 : 0;
    same += own[i] == last && last != 0 ? 1 : 0;
}
equal = simd_sum(equal);
fresh = simd_sum(fresh);
same = simd_sum(same);
// Those that equal the bound and had no place in the round before.
const ulong more = parts == 0 ? 0ul : ulong(equal) - before[3 * size_t(query) + 2];
const size_t row = size_t(query) * k;
for (ulong i = start + lane; i < min(start + more, ulong(k)); i += 32) show(bound, row + i, distances, ids);
for (ulong i = start + more + lane; i < min(start + more + fresh, ulong(k)); i += 32) show(own[i - start - more], row + i, distances, ids);
const ulong end = min(start + more + fresh, ulong(k));
if (ends) {
    for (ulong i = end + lane; i < ulong(k); i += 32) show(0ul, row + i, distances, ids);
}
if (lane == 0) {
    after[3 * size_t(query)] = last;
    after[3 * size_t(query) + 1] = end;
    after[3 * size_t(query) + 2] = same;
}
