// A row's claim to be the pivot: the size of its element, and where it stands.
template <typename S> struct Claim {
    S size;
    uint place;
};

template <typename S> inline Claim<S> stronger(Claim<S> x, Claim<S> y) {
    return y.size > x.size || (y.size == x.size && y.place < x.place) ? y : x;
}
