// One group of threads for a part of all rows, or of one of a query's lists, and a query.
__shared__ Streamed shared;
const unsigned number = threadgroup_position_in_grid.x / parts, part = threadgroup_position_in_grid.x % parts;
Stretch rows = {0, n};
unsigned cut = part;
if (LISTED) {
    const unsigned listed = parts / cuts;
    rows = stretch_of(offsets, probes[size_t(number) * listed + part / cuts], lists, n);
    cut = part % cuts;
}
const unsigned each = ((rows.end - rows.begin + cuts - 1) / cuts + 31) / 32 * 32;
const size_t begin = min(size_t(rows.begin) + size_t(cut) * each, size_t(rows.end)), end = min(begin + each, size_t(rows.end));
const size_t size = KIND == 0 ? 4 : KIND == 3 ? 1 : 2;
stream<KIND, METRIC, RING>((const char*)queries + size_t(number) * d * size, data, ids, keep, begin, end, int(d), k, labelled, filtered, shared, memory);
for (unsigned i = threadIdx.x; i < k; i += blockDim.x) candidates[size_t(threadgroup_position_in_grid.x) * k + i] = shared.kept[i];
