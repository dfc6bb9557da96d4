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
    static K key_or_nan(A x) { return x != x ? ~K(0) : key_of(x); }
    void take(A x, uint at) {
        Best one;
        one.key = key_or_nan(x);
        one.position = at;
        merge(one);
    }
    void merge(Best other) {
        if (other.key > key || (other.key == key && other.position < position)) *this = other;
    }
    Best from_lane(ushort mask) const {
        Best r;
        r.key = Lane<K>::exchange(key, mask);
        r.position = Lane<uint>::exchange(position, mask);
        return r;
    }
};

// The best of an item, as reduce finds it, but by quads of which only the best one is looked at element by element.
template <typename A, typename T>
Best<A> best_of(const device T* x, Item item, uint n, uint shift) {
    using K = typename Best<A>::K;
    constexpr uint depth = 8;  // quads that are on their way together
    const device T* part = x + size_t(item.row) * n + item.first;
    const uint head = unaligned(item, n, shift), quads = (item.count - head) / 4;
    const device vec<T, 4>* body = (const device vec<T, 4>*)(part + head);
    K largest = 0;
    uint at = item.lane;
    for (uint quad = item.lane; quad < quads; quad += depth * item.lanes) {
        vec<T, 4> values[depth];
#pragma unroll
        for (uint j = 0; j < depth; ++j) {
            const uint next = quad + j * item.lanes;
            values[j] = body[next < quads ? next : quad];
        }
#pragma unroll
        for (uint j = 0; j < depth; ++j) {
            const K first = Best<A>::key_or_nan(A(values[j].x)), second = Best<A>::key_or_nan(A(values[j].y));
            const K third = Best<A>::key_or_nan(A(values[j].z)), fourth = Best<A>::key_or_nan(A(values[j].w));
            const K own = max(max(first, second), max(third, fourth));
            if (own > largest) {
                largest = own;
                at = quad + j * item.lanes;  // of a quad that was read twice, the first time counts
            }
        }
    }
    Best<A> best = Best<A>::none();
    if (item.lane < quads) {
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
