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
    void take(A x, uint at) {
        Best one;
        one.key = x != x ? ~K(0) : key_of(x);
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
