// One thread a byte of a code. Neighbours have neighbouring rows and the same part, so that a codebook's words come from one broadcast.
const uint at = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (at >= n * bytes) return;
const uint row = at % n, byte_number = at / n;
constexpr uint parts = WORDS == 16 ? 2 : 1;
uint code = 0;
for (uint half_number = 0; half_number < parts; ++half_number) {
    const uint j = byte_number * parts + half_number;
    if (j >= m) break;
    const device float* own = x + (size_t(row) * m + j) * part;
    const device float* words = codebooks + size_t(j) * WORDS * part;
    float least = INFINITY;
    uint nearest = 0;
    for (uint word = 0; word < WORDS; ++word) {
        float sum = 0;
        for (uint t = 0; t < part; ++t) {
            const float difference = own[t] - words[size_t(word) * part + t];
            sum += difference * difference;
        }
        if (sum < least) {
            least = sum;
            nearest = word;
        }
    }
    code |= nearest << (4 * half_number);
}
codes[size_t(row) * bytes + byte_number] = uchar(code);
