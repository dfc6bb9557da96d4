// One group of threads a query.
__shared__ Picked shared;
pick<KIND, METRIC, PER>(queries, data, ids, keep, least, extents, bounds, threadgroup_position_in_grid.x, n, int(d), k, (n + 31) / 32, pitch, labelled,
                        filtered, distances + size_t(before) * k, (long long*)found + size_t(before) * k, shared);
