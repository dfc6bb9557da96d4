// One group of threads for 32 rows a warp and `stages` times QUERIES queries.
const unsigned tile = threadgroup_position_in_grid.x / splits, first = threadgroup_position_in_grid.x % splits * stages;
const int own = min(int(stages), int((b + QUERIES - 1) / QUERIES) - int(first));
const size_t row = size_t(tile) * TILE, group = row / GROUP;
if (own > 0 && row < n) {
    const Straight straight = {(const unsigned short*)rounded, least, pitch, group, first * QUERIES, b};
    minima<KIND, DK, METRIC, QUERIES, GROUP>(straight, data, keep, filtered, row, n, int(d), own, first == 0 ? extents + group * 2 : nullptr, memory);
}
