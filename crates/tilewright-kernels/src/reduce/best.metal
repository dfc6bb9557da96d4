// The reducer of `argmax` and `max`: the first NaN, or else the first of the largest.

constant constexpr uint NOWHERE = 0xffffffff;

template <typename A> struct Best {
    A value;
    uint position;
    static Best none() { Best r; r.value = A(0); r.position = NOWHERE; return r; }
    void take(A x, uint at) {
        if (position == NOWHERE || x > value || (x != x && value == value)) {
            value = x;
            position = at;
        }
    }
    void merge(Best other) {
        if (other.position == NOWHERE) return;
        const bool nan = value != value, other_nan = other.value != other.value;
        const bool equal = nan ? other_nan : other.value == value;
        const bool larger = nan ? false : other_nan || other.value > value;
        if (position == NOWHERE || larger || (equal && other.position < position)) *this = other;
    }
    Best from_lane(ushort mask) const {
        Best r;
        r.value = Lane<A>::exchange(value, mask);
        r.position = Lane<uint>::exchange(position, mask);
        return r;
    }
};
