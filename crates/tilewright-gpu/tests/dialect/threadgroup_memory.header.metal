struct Tile {
    float sum;
    int count;
};
template <typename T> inline T reverse_through(threadgroup T* scratch, uint i, uint n) {
    return scratch[n - 1 - i];
}
inline void store(threadgroup float (&row)[33], uint at, float value) { row[at] = value; }
METAL_FUNC float total_of(const threadgroup float* values, int n) {
    float total = 0;
    for (int i = 0; i < n; ++i) total += values[i];
    return total;
}
inline void add_to(thread float& sum, const device float* x, constant int& n, thread const float* weights) {
    for (int i = 0; i < n; ++i) sum += x[i] * weights[i];
}
