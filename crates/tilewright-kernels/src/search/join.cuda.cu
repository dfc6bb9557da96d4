// One group of threads a query.
__shared__ Kept shared;
const size_t number = threadgroup_position_in_grid.x;
join((const unsigned long long*)candidates + number * parts * k, parts, k, distances + number * k, (long long*)ids + number * k, shared);
