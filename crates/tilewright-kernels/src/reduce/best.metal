// The reducer of `argmax` and `max`: the first NaN, or else the first of the largest. A: float, double or an integer.

template <typename A> struct Best {
    using K = typename Word<sizeof(A)>::type;
    K key;  // the highest for NaN, above infinity's
    uint position;
    static Best none() {
        Best r;
        r.key = 0;
        r.position = 0xffffffffu;  // what is found at any position is better
        return r;
    }
    static K key_or_nan(A x) { return key_of(x) | (K(0) - K(x != x)); }
    void take(A x, uint at) {
        Best one;
        one.key = key_or_nan(x);
        one.position = at;
        merge(one);
    }
    void merge(Best other) {
        const bool better = (other.key > key) | ((other.key == key) & (other.position < position));
        key = better ? other.key : key;
        position = better ? other.position : position;
    }
    Best from_lane(ushort mask) const {
        Best r;
        r.key = Lane<K>::exchange(key, mask);
        r.position = Lane<uint>::exchange(position, mask);
        return r;
    }
};

// The best of all lanes, by what the chip finds in one step for words of 4 bytes.
template <int BYTES> struct Across {
    template <typename A> static Best<A> best(Best<A> own) {
        for (ushort mask = 16; mask > 0; mask /= 2) own.merge(own.from_lane(mask));
        return own;
    }
};
template <> struct Across<4> {
    template <typename A> static Best<A> best(Best<A> own) {
        const uint top = simd_max(own.key);
        own.position = simd_min(own.key == top ? own.position : 0xffffffffu);
        own.key = top;
        return own;
    }
};
template <typename A> Best<A> across(Best<A> own) { return Across<sizeof(own.key)>::best(own); }

// The best of an item, as reduce finds it, but by quads of which only the best one is looked at element by element.
template <typename A, typename T>
Best<A> best_of(const device T* x, Item item, uint n, uint shift) {
    using K = typename Best<A>::K;
    constexpr uint depth = sizeof(T) <= 4 ? 8 : 4;  // quads that are on their way together
    const device T* part = x + size_t(item.row) * n + item.first;
    const uint head = unaligned(item, n, shift), quads = (item.count - head) / 4;
    const device vec<T, 4>* body = (const device vec<T, 4>*)(part + head);
    K largest = 0;
    uint at = 0;
    for (uint first = item.lane; first < quads + item.lane; first += depth * item.lanes) {
        // Lanes beyond the last quad look at it too: that changes nothing.
        vec<T, 4> values[depth];
#pragma unroll
        for (uint j = 0; j < depth; ++j) values[j] = body[min(first + j * item.lanes, quads - 1)];
#pragma unroll
        for (uint j = 0; j < depth; ++j) {
            const K a = Best<A>::key_or_nan(A(values[j].x)), b = Best<A>::key_or_nan(A(values[j].y));
            const K c = Best<A>::key_or_nan(A(values[j].z)), d = Best<A>::key_or_nan(A(values[j].w));
            const K own = max(max(a, b), max(c, d));
            at = own > largest ? min(first + j * item.lanes, quads - 1) : at;
            largest = max(largest, own);
        }
    }
    Best<A> best = Best<A>::none();
    if (quads > 0) {
        const vec<T, 4> values = body[at];
        const uint position = item.first + head + 4 * at;
        best.take(A(values.x), position);
        best.take(A(values.y), position + 1);
        best.take(A(values.z), position + 2);
        best.take(A(values.w), position + 3);
    }
    if (item.lane < head) best.take(A(part[item.lane]), item.first + item.lane);
    const uint last = head + 4 * quads + item.lane;
    if (last < item.count) best.take(A(part[last]), item.first + last);
    return best;
}
