// The reducers of `sum`.

template <typename A> struct Plain {
    A sum;
    static Plain none() { Plain r; r.sum = A(0); return r; }
    void take(A value, uint) { sum += value; }
    void merge(Plain other) { sum += other.sum; }
    Plain from_lane(ushort mask) const { Plain r; r.sum = Lane<A>::exchange(sum, mask); return r; }
};

// A rounded sum, and the sum of what the roundings lost (TwoSum).
template <typename A> struct Compensated {
    A sum, error;
    static Compensated none() { Compensated r; r.sum = A(0); r.error = A(0); return r; }
    void take(A value, uint) {
        const A rounded = sum + value, added = rounded - sum;
        error += (sum - (rounded - added)) + (value - added);
        sum = rounded;
    }
    void merge(Compensated other) {
        // The errors first: added in either order they are the same, as TwoSum's is.
        error += other.error;
        take(other.sum, 0);
    }
    Compensated from_lane(ushort mask) const {
        Compensated r;
        r.sum = Lane<A>::exchange(sum, mask);
        r.error = Lane<A>::exchange(error, mask);
        return r;
    }
    // The sum rounded once more, and what that loses. An infinite or NaN sum has no meaningful error term.
    A total() const { return sum - sum == A(0) ? A(sum + error) : sum; }
    A lost() const { return sum - sum == A(0) ? A(error - (total() - sum)) : A(0); }
};

template <typename A, bool COMPENSATED> struct Reducer { using type = Plain<A>; };
template <typename A> struct Reducer<A, true> { using type = Compensated<A>; };

// The sum of a part: of the whole row, or one of the terms that the next launch adds up.
template <typename A, typename O>
void write(Plain<A> sum, Item item, uint, device O* out) {
    out[item.index] = O(sum.sum);
}
template <typename A, typename O>
void write(Compensated<A> sum, Item item, uint parts, device O* out) {
    if (parts == 1) {
        out[item.row] = O(sum.total());
    } else {
        out[2 * item.index] = O(sum.total());
        out[2 * item.index + 1] = O(sum.lost());
    }
}
