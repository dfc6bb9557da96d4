// The quotients of an item.
template <typename T>
void quotients(const device T* x, device T* out, Item item, uint n, float largest, float sum) {
    // Beside +inf everything is inf / inf or 0 / inf; the whole row is undefined.
    const float scale = largest == INFINITY ? NAN : 1.0f / sum;
    const size_t start = size_t(item.row) * n + item.first;
    for (uint i = item.lane; i < item.count; i += item.lanes) {
        out[start + i] = T(precise::exp(float(x[start + i]) - largest) * scale);
    }
}
