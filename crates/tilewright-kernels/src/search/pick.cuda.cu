// One group of threads a query.
__shared__ Picked shared;
const unsigned number = threadgroup_position_in_grid.x;
const EveryGroup<GROUP> groups = {n, (n + GROUP - 1) / GROUP};
const size_t at = (size_t(before) + number) * k;
pick<KIND, METRIC, PER>(groups, queries, data, ids, keep, least + size_t(number) * pitch, extents, bounds, number, int(d), k, labelled, filtered,
                        distances + at, (long long*)found + at, shared);
