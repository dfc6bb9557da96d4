// CUDA's side of the Metal dialect: where a thread stands, and barriers. Follows the headers that both
// targets share.

namespace tw {

using tw_user::metal::uint;
using tw_user::metal::uint3;

TW_FN uint3 fewer(uint3 a, uint3 b) { return tw_user::metal::min(a, b); }

/// Metal's 20 built-ins, under their names.
///
/// A launch covers threadgroups from `origin` on. Metal clips the last groups of each axis to the grid. So
/// that warps and SIMD groups hold the same threads, the host launches clipped groups with their own block
/// size; where only the slowest axis longer than 1 is clipped, full blocks do as well, and the `surplus`
/// threads must return before anything else.
struct Position {
    uint3 grid_size, grid_origin, threads_per_grid, threadgroups_per_grid;
    uint3 dispatch_threads_per_threadgroup, threads_per_threadgroup;
    uint3 threadgroup_position_in_grid, thread_position_in_threadgroup, thread_position_in_grid;
    uint thread_index_in_threadgroup, thread_index_in_simdgroup, thread_index_in_quadgroup;
    uint simdgroup_index_in_threadgroup, quadgroup_index_in_threadgroup;
    uint simdgroups_per_threadgroup, quadgroups_per_threadgroup;
    uint dispatch_simdgroups_per_threadgroup, dispatch_quadgroups_per_threadgroup;
    uint threads_per_simdgroup, thread_execution_width;
    bool surplus;

    /// Three numbers each: threads of the whole grid; threads of a group as requested; index of the launch's
    /// first group.
    TW_FN Position(const unsigned* grid, const unsigned* group, const unsigned* origin) {
        const uint3 requested(group[0], group[1], group[2]);
        const uint3 at(threadIdx.x, threadIdx.y, threadIdx.z);
        grid_size = threads_per_grid = uint3(grid[0], grid[1], grid[2]);
        grid_origin = uint3(0u);
        threadgroups_per_grid = (grid_size + requested - 1u) / requested;
        threadgroup_position_in_grid =
            uint3(origin[0] + blockIdx.x, origin[1] + blockIdx.y, origin[2] + blockIdx.z);
        const uint3 first = threadgroup_position_in_grid * requested;
        const uint3 actual = fewer(requested, grid_size - first);
        dispatch_threads_per_threadgroup = requested;
        threads_per_threadgroup = actual;
        thread_position_in_threadgroup = at;
        thread_position_in_grid = first + at;
        surplus = at.x >= actual.x || at.y >= actual.y || at.z >= actual.z;
        const uint threads = actual.x * actual.y * actual.z;
        const uint requested_threads = requested.x * requested.y * requested.z;
        thread_index_in_threadgroup = (at.z * actual.y + at.y) * actual.x + at.x;
        thread_index_in_simdgroup = thread_index_in_threadgroup % 32u;
        thread_index_in_quadgroup = thread_index_in_threadgroup % 4u;
        simdgroup_index_in_threadgroup = thread_index_in_threadgroup / 32u;
        quadgroup_index_in_threadgroup = thread_index_in_threadgroup / 4u;
        simdgroups_per_threadgroup = (threads + 31u) / 32u;
        quadgroups_per_threadgroup = (threads + 3u) / 4u;
        dispatch_simdgroups_per_threadgroup = (requested_threads + 31u) / 32u;
        dispatch_quadgroups_per_threadgroup = (requested_threads + 3u) / 4u;
        threads_per_simdgroup = thread_execution_width = 32u;
    }
};

}  // namespace tw

namespace tw_user::metal {

enum class mem_flags : uint {
    mem_none = 0,
    mem_device = 1,
    mem_threadgroup = 2,
    mem_texture = 4,
    mem_threadgroup_imageblock = 8,
    mem_object_data = 16
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint(a) | uint(b)); }
constexpr mem_flags operator&(mem_flags a, mem_flags b) { return mem_flags(uint(a) & uint(b)); }

/// Orders threadgroup and device memory within the group, whatever the flags: stronger than Metal's
/// mem_threadgroup. Threads that have returned are not waited for.
TW_FN void threadgroup_barrier(mem_flags) { __syncthreads(); }
/// For all lanes that still run: absent and exited ones count as arrived.
TW_FN void simdgroup_barrier(mem_flags) { __syncwarp(); }

}  // namespace tw_user::metal
