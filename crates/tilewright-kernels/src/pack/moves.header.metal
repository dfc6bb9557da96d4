// Where element `at` of the packed order lies.
struct Axes {
    uint extents[6];
    ulong strides[6];
    ulong place(uint at) const {
        ulong place = 0;
        for (uint axis = 0; axis < 5; ++axis) {  // the innermost first
            if (extents[axis + 1] == 0) return place + at * strides[axis];
            const uint outer = at / extents[axis];
            place += (at - outer * extents[axis]) * strides[axis];
            at = outer;
        }
        return place + at * strides[5];
    }
};
