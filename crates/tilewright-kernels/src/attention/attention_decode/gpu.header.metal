constant constexpr uint MEMBERS = 4;    // SIMD groups of a group
constant constexpr uint NONE = ~0u;     // the slot of a token that is not there
#define PLAIN 4                         // the format of a cache of T

// Numbers of a row of a cache from one on, as floats: small ones with their scales. Two and four start aligned.
template <int FORMAT> struct Held { using type = uchar; };
template <> struct Held<INTEGERS> { using type = char; };
template <typename T, int FORMAT> struct Numbers {
    using V = typename Held<FORMAT>::type;
    static float one(const device V* row, const device float* scales, uint at, uint group) {
        return number_of<V, FORMAT>(row, at) * scales[at / group];
    }
    static float2 two(const device V* row, const device float* scales, uint at, uint group) {
        return float2(one(row, scales, at, group), one(row, scales, at + 1, group));
    }
    static float4 four(const device V* row, const device float* scales, uint at, uint group) {
        return numbers_of<V, FORMAT>(row, at / 4) * scales[at / group];
    }
};
template <typename T> struct Numbers<T, PLAIN> {
    using V = T;
    static float one(const device T* row, const device float*, uint at, uint) { return float(row[at]); }
    static float2 two(const device T* row, const device float*, uint at, uint) {
        return float2(*(const device vec<T, 2>*)(row + at));
    }
    static float4 four(const device T* row, const device float*, uint at, uint) {
        return float4(*(const device vec<T, 4>*)(row + at));
    }
};

// COLUMNS neighbours.
template <typename N, int COLUMNS>
void load(const device typename N::V* row, const device float* scales, uint at, uint group, thread float* to) {
    if (COLUMNS == 1) {
        to[0] = N::one(row, scales, at, group);
    } else if (COLUMNS == 2) {
        const float2 two = N::two(row, scales, at, group);
        to[0] = two.x;
        to[1] = two.y;
    } else {
#pragma unroll
        for (uint c = 0; c < COLUMNS; c += 4) {
            const float4 four = N::four(row, scales, at + c, group);
            to[c] = four.x;
            to[c + 1] = four.y;
            to[c + 2] = four.z;
            to[c + 3] = four.w;
        }
    }
}
