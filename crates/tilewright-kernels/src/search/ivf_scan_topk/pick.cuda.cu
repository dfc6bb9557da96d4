// One group of threads a query.
__shared__ Picked shared;
const unsigned number = threadgroup_position_in_grid.x;
unsigned *const begins = memory, *const ends = memory + parts, *const names = memory + 2 * parts;
for (unsigned part = threadIdx.x; part < parts; part += blockDim.x) {
    const long long list = probes[size_t(number) * parts + part];
    const Stretch rows = stretch_of(offsets, list, lists, n);
    begins[part] = rows.begin, ends[part] = rows.end, names[part] = unsigned(max(list, 0ll));
}
__syncthreads();  // the lists are there
const ListedGroups groups = {begins, ends, names, parts, pitch};
const size_t at = (size_t(before) + number) * k;
pick<KIND, METRIC, PER>(groups, queries, data, ids, keep, least + size_t(number) * parts * pitch, extents, bounds, number, int(d), k, labelled, filtered,
                        distances + at, (long long*)found + at, shared);
