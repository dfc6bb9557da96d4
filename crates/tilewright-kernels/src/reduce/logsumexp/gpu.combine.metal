// The same for each row, from its parts: maxima[row, parts], sums[row, parts].
Item item;
item.row = threadgroup_position_in_grid.x;
item.lane = thread_position_in_threadgroup.x;
item.lanes = threads_per_threadgroup.x;
Online joined = Online::none();
for (uint part = item.lane; part < parts; part += item.lanes) {
    const size_t at = size_t(item.row) * parts + part;
    joined.merge(Online::seen(maxima[at], sums[at]));
}
threadgroup Online scratch[8];
joined = combine(joined, item, true, scratch);
if (item.lane == 0) {
    largest[item.row] = joined.largest;
    sum[item.row] = joined.sum;
    out[item.row] = T(joined.largest + precise::log(joined.sum));
}
