// Tiles of rows of lists against the queries that name the list, one after another.
for (unsigned at = threadgroup_position_in_grid.x; at < totals[1]; at += gridDim.x) {
    const uint2 own = ((const uint2*)work)[at];
    const Stretch rows = stretch_of(offsets, own.x, lists, n);
    const unsigned count = sizes[own.x], group = own.y * (TILE / 32);
    const Members named = {(const unsigned short*)rounded, members + starts[own.x], least, pitch, group, count, parts};
    minima<KIND, DK, METRIC, QUERIES, 32>(named, data, keep, filtered, size_t(rows.begin) + own.y * TILE, rows.end, int(d), int((count + QUERIES - 1) / QUERIES),
                                      extents + (size_t(extent_of(rows.begin, own.x)) + group) * 2, memory);
    __syncthreads();  // the memory is free
}
