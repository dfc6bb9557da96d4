// The checksum of one tensor from the sums of its groups.
threadgroup ulong parts[32];
const uint lane = thread_position_in_threadgroup.x, lanes = threads_per_threadgroup.x;
ulong sum = 0;
for (uint group = lane; group < groups; group += lanes) sum += sums[group];
sum = sum_of(sum, parts, lane, lanes);
if (lane == 0) checksums[which] = sum + bytes * LENGTH;
