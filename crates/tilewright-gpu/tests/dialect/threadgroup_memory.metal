// 64 threads in groups of 32: x [64] float = i, three [1] int = 3; out [64 * 8] float. Arrays of one and two
// dimensions, several in one declaration, a struct, half and vectors in threadgroup memory; pointers and
// references to it as parameters.
threadgroup float line[32], grid2[4][33];
threadgroup half halves[32];
threadgroup float4 wide[8];
threadgroup Tile tile;
threadgroup uint flag;
const uint t = thread_position_in_threadgroup.x, i = thread_position_in_grid.x;
line[t] = x[i];
store(grid2[t / 8], t % 8, x[i] * 2);
halves[t] = half(x[i]);
if (t < 8) wide[t] = float4(x[i], 1, 2, 3);
if (t == 0) {
    tile.sum = 0.5;
    tile.count = 7;
    flag = 1u;
}
threadgroup_barrier(mem_flags::mem_threadgroup);
uint n = i * 8;
out[n++] = reverse_through<float>(line, t, 32);
out[n++] = reverse_through(halves, t, 32u);
out[n++] = grid2[(31 - t) / 8][(31 - t) % 8];
threadgroup float* pointer = line + t / 2;
out[n++] = *pointer + total_of(line, 3) + total_of(&grid2[1][0], 2);
out[n++] = wide[t % 8].x + wide[t % 8].w;
out[n++] = tile.sum + tile.count + flag;
const threadgroup float2* pairs = (const threadgroup float2*)line;
out[n++] = pairs[t / 2].x + pairs[t / 2].y;
float sum = 0;
const float weights[3] = {1, 10, 100};
add_to(sum, x + i % 8, three[0], weights);
out[n++] = sum;
// Orders these readings before the tree that follows, which halves the threads at work each round.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint stride = 16; stride > 0; stride /= 2) {
    if (t < stride) line[t] += line[t + stride];
    threadgroup_barrier(mem_flags::mem_threadgroup);
}
if (t == 0) out[n - 1] = line[0];
