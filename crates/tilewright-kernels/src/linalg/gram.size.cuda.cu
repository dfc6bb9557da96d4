// A group of eight warps for 64 rows of each x: the squares of its elements, each times the square of the length of r's column that its row answers to. A
// lane has two columns, of eight rows at once, so that their reads are under way together.
__shared__ double lengths[64];
__shared__ double parts[8][64];
const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, block = threadgroup_position_in_grid.x;
const size_t at = size_t(threadgroup_position_in_grid.y) * pitch * pitch;
const double* column = r + at + 64 * block + 2 * lane;
double left = 0.0, right = 0.0;
for (unsigned top = 8 * warp; top < 64 * (block + 1); top += 64) {
    ::double2 read[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) read[i] = *(const ::double2*)(column + size_t(top + i) * pitch);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        left += read[i].x * read[i].x;
        right += read[i].y * read[i].y;
    }
}
parts[warp][2 * lane] = left;
parts[warp][2 * lane + 1] = right;
// Eight parts of each column.
__syncthreads();
if (threadIdx.x < 64) {
    double sum = 0.0;
#pragma unroll
    for (int w = 0; w < 8; ++w) sum += parts[w][threadIdx.x];
    lengths[threadIdx.x] = sum;
}
// The lengths are there, and the parts were read.
__syncthreads();
const double* row = x + at + size_t(64 * block + 8 * warp) * pitch;
double sums[8] = {};
for (unsigned j = 64 * block + 2 * lane; j < pitch; j += 64) {
    ::double2 read[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) read[i] = *(const ::double2*)(row + size_t(i) * pitch + j);
#pragma unroll
    for (int i = 0; i < 8; ++i) sums[i] += read[i].x * read[i].x + read[i].y * read[i].y;
}
double sum = 0.0;
#pragma unroll
for (int i = 0; i < 8; ++i) sum += lengths[8 * warp + i] * sums[i];
#pragma unroll
for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
if (lane == 0) parts[warp][0] = sum;
// The sums of all warps are there.
__syncthreads();
if (threadIdx.x == 0) {
    double total = 0.0;
    for (unsigned w = 0; w < 8; ++w) total += parts[w][0];
    sizes[size_t(threadgroup_position_in_grid.y) * (pitch / 64) + block] = total;
}
