// A group for 64 rows of each x: the squares of its elements, each times the square of the length of r's column that its row answers to.
__shared__ double lengths[64];
__shared__ double parts[256];
const unsigned t = threadIdx.x, block = threadgroup_position_in_grid.x;
const size_t at = size_t(threadgroup_position_in_grid.y) * pitch * pitch;
double sum = 0.0;
for (unsigned i = t / 64; i < 64 * (block + 1); i += 4) {
    const double element = r[at + size_t(i) * pitch + 64 * block + t % 64];
    sum += element * element;
}
parts[t] = sum;
// Four parts of each column.
__syncthreads();
if (t < 64) lengths[t] = parts[t] + parts[t + 64] + parts[t + 128] + parts[t + 192];
// The lengths are there, and the parts were read.
__syncthreads();
sum = 0.0;
for (unsigned i = 0; i < 64; ++i) {
    for (unsigned j = 64 * block + t; j < pitch; j += 256) {
        const double element = x[at + size_t(64 * block + i) * pitch + j];
        sum += lengths[i] * element * element;
    }
}
parts[t] = sum;
for (unsigned half = 128; half > 0; half /= 2) {
    // The sums of the last round are there.
    __syncthreads();
    if (t < half) parts[t] += parts[t + half];
}
if (t == 0) sizes[size_t(threadgroup_position_in_grid.y) * (pitch / 64) + block] = parts[0];
