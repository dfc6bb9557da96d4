constant constexpr uint MEMBERS = 4;    // SIMD groups of a group
constant constexpr uint WIDEST = 256;   // columns of queries
constant constexpr uint NONE = ~0u;     // the slot of a token that is not there

// COLUMNS neighbours, which start aligned.
template <typename T, int COLUMNS> struct Run {
    static void load(const device T* from, thread float* to) {
#pragma unroll
        for (int at = 0; at < COLUMNS; at += 4) {
            const vec<T, 4> four = *(const device vec<T, 4>*)(from + at);
            to[at] = float(four.x);
            to[at + 1] = float(four.y);
            to[at + 2] = float(four.z);
            to[at + 3] = float(four.w);
        }
    }
};
template <typename T> struct Run<T, 2> {
    static void load(const device T* from, thread float* to) {
        const vec<T, 2> two = *(const device vec<T, 2>*)from;
        to[0] = float(two.x);
        to[1] = float(two.y);
    }
};
template <typename T> struct Run<T, 1> {
    static void load(const device T* from, thread float* to) { to[0] = float(from[0]); }
};
