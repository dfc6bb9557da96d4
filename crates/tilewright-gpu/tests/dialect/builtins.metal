// out [threads * 39] uint: the 20 built-ins, vectors as x y z, then simd_sum(1): how many lanes this SIMD
// group has. Thread (x, y, z) writes at ((z * grid.y + y) * grid.x + x) * 39. Any grid and group, clipped
// groups above all.
const uint3 p = thread_position_in_grid;
uint n = ((p.z * threads_per_grid.y + p.y) * threads_per_grid.x + p.x) * 39;
const uint3 vectors[9] = {dispatch_threads_per_threadgroup,
                          grid_origin,
                          grid_size,
                          thread_position_in_grid,
                          thread_position_in_threadgroup,
                          threadgroup_position_in_grid,
                          threadgroups_per_grid,
                          threads_per_grid,
                          threads_per_threadgroup};
for (int i = 0; i < 9; ++i) {
    out[n++] = vectors[i].x;
    out[n++] = vectors[i].y;
    out[n++] = vectors[i].z;
}
out[n++] = dispatch_quadgroups_per_threadgroup;
out[n++] = dispatch_simdgroups_per_threadgroup;
out[n++] = quadgroup_index_in_threadgroup;
out[n++] = quadgroups_per_threadgroup;
out[n++] = simdgroup_index_in_threadgroup;
out[n++] = simdgroups_per_threadgroup;
out[n++] = thread_execution_width;
out[n++] = thread_index_in_quadgroup;
out[n++] = thread_index_in_simdgroup;
out[n++] = thread_index_in_threadgroup;
out[n++] = threads_per_simdgroup;
out[n++] = simd_sum(1u);
