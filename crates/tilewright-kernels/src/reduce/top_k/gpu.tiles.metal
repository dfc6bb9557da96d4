// The largest key of each group of 32 elements. One SIMD group a tile of a row; a lane's group is the elements 128 j + 4 lane + c of its tile.
const uint item = threadgroup_position_in_grid.x * (threads_per_threadgroup.x / 32) + simdgroup_index_in_threadgroup;
if (item >= items) return;
const uint lane = thread_index_in_simdgroup, tile = item % tiles;
const device T* part = x + size_t(item / tiles) * n + tile * TILE;
const uint count = min(TILE, n - tile * TILE);
uint best = 0;
if (VECTORS && count == TILE) {
    vec<T, 4> four[8];  // all are on their way before the first is needed
#pragma unroll
    for (uint j = 0; j < 8; ++j) four[j] = ((const device vec<T, 4>*)part)[32 * j + lane];
#pragma unroll
    for (uint j = 0; j < 8; ++j) {
        best = max(best, max(rank_of(four[j].x, largest), rank_of(four[j].y, largest)));
        best = max(best, max(rank_of(four[j].z, largest), rank_of(four[j].w, largest)));
    }
} else {
    for (uint at = 4 * lane; at < count; at += 128) {
        for (uint c = 0; c < min(4u, count - at); ++c) best = max(best, rank_of(part[at + c], largest));
    }
}
groups[size_t(item) * 32 + lane] = best;
