// The mean of the rows that have a centroid's label, in their order. One threadgroup a centroid: it looks at 256 labels at a time, lists the rows that
// are its own, and each thread sums some of their columns; a pass over the labels for each 256 columns.
constexpr uint STEP = 256;
const uint c = threadgroup_position_in_grid.x;
const uint self = thread_position_in_threadgroup.x;
threadgroup uint rows[STEP];
threadgroup uint sizes[STEP / 32];
const int64_t fresh = restart[c];
for (uint first = 0; first < d; first += STEP) {
    const uint column = first + self;
    float sum = 0;
    uint count = 0;
    for (uint start = 0; start < n; start += STEP) {
        const bool own = start + self < n && labels[start + self] == int64_t(c);
        const uint before = simd_prefix_exclusive_sum(own ? 1u : 0u);
        const uint size = simd_sum(own ? 1u : 0u);
        if (self % 32 == 0) sizes[self / 32] = size;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all sizes are there, and the rows of the step before have been read
        uint place = before, found = 0;
        for (uint group = 0; group < STEP / 32; ++group) {
            if (group < self / 32) place += sizes[group];
            found += sizes[group];
        }
        if (own) rows[place] = start + self;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the rows are listed, and the sizes have been read
        if (column < d) {
            for (uint i = 0; i < found; ++i) sum += float(x[size_t(rows[i]) * d + column]);
        }
        count += found;
    }
    if (self == 0 && first == 0) counts[c] = count;
    if (column < d) {
        const size_t at = size_t(c) * d + column;
        centroids[at] = fresh >= 0 ? float(x[size_t(fresh) * d + column]) : count > 0 ? sum / float(count) : old[at];
    }
}
