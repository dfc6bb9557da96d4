// One group of threads for a part of all rows, or of one of a query's lists, and a query.
__shared__ Streamed shared;
const unsigned number = threadgroup_position_in_grid.x / parts, part = threadgroup_position_in_grid.x % parts;
// Of all rows the parts take runs by turns, so that all read in one place of memory; of a list each takes a piece.
size_t begin = size_t(part) * blockDim.x, end = n, hop = size_t(parts) * blockDim.x;
if (LISTED) {
    const unsigned listed = parts / cuts;
    const Stretch rows = stretch_of(offsets, probes[size_t(number) * listed + part / cuts], lists, n);
    const unsigned each = ((rows.end - rows.begin + cuts - 1) / cuts + 31) / 32 * 32;
    begin = min(size_t(rows.begin) + size_t(part % cuts) * each, size_t(rows.end));
    end = min(begin + each, size_t(rows.end)), hop = blockDim.x;
}
const size_t size = KIND == 0 ? 4 : KIND == 3 ? 1 : 2;
stream<KIND, METRIC>((const char*)queries + size_t(number) * d * size, data, ids, keep, begin, hop, end, int(d), k, labelled, filtered, shared);
for (unsigned i = threadIdx.x; i < k; i += blockDim.x) candidates[size_t(threadgroup_position_in_grid.x) * k + i] = shared.kept[i];
