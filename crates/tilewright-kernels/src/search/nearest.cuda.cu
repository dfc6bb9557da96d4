// One group of threads for 32 rows a warp and `stages` times QUERIES queries.
const unsigned tile = threadgroup_position_in_grid.x / splits, first = threadgroup_position_in_grid.x % splits * stages;
const int own = min(int(stages), int((b + QUERIES - 1) / QUERIES) - int(first));
if (own > 0) {
    minima<KIND, DK, METRIC, QUERIES>((const unsigned short*)rounded, data, keep, filtered, n, int(d), size_t(tile) * blockDim.x, first * QUERIES, own, b,
                                      pitch, least, extents, memory);
}
