// Who reads which elements of a row, and how the lanes of a row combine.
//
// A row is cut into parts of `chunk` elements; an item is one part of one row. An item belongs to a whole threadgroup (`wide`)
// or to one SIMD group. A reducer is a struct with
//   static R none()                    nothing seen yet
//   void take(A value, uint position)  one more element; a lane's positions ascend
//   void merge(R other)                what another lane saw; the same bits in either order
//   R from_lane(ushort mask) const     the reducer of the lane whose number differs by `mask`

// What values of T are compared as.
template <typename T> struct Wide { using type = T; };
template <> struct Wide<half> { using type = float; };
template <> struct Wide<bfloat> { using type = float; };

// What values of T are added as: integers wrap around, so without sign.
template <typename T> struct Sum { using type = typename Wide<T>::type; };
template <> struct Sum<int> { using type = uint; };
template <> struct Sum<long> { using type = ulong; };

// Values of 4 and 8 bytes from other lanes; Metal itself shuffles no 8-byte values.
template <typename A, int BYTES = sizeof(A)> struct Lane {
    static A exchange(A value, ushort mask) { return simd_shuffle_xor(value, mask); }
    static A below(A value, ushort distance) { return simd_shuffle_up(value, distance); }
    static A of(A value, ushort lane) { return simd_shuffle(value, lane); }
};
template <typename A> struct Lane<A, 8> {
    static A exchange(A value, ushort mask) {
        uint2 words = as_type<uint2>(value);
        return as_type<A>(uint2(simd_shuffle_xor(words.x, mask), simd_shuffle_xor(words.y, mask)));
    }
    static A below(A value, ushort distance) {
        uint2 words = as_type<uint2>(value);
        return as_type<A>(uint2(simd_shuffle_up(words.x, distance), simd_shuffle_up(words.y, distance)));
    }
    static A of(A value, ushort lane) {
        uint2 words = as_type<uint2>(value);
        return as_type<A>(uint2(simd_shuffle(words.x, lane), simd_shuffle(words.y, lane)));
    }
};

struct Item {
    uint index, row, part;
    uint first, count;  // of the row's elements
    uint lane, lanes;   // that share the work
};

inline Item item_of(bool wide, uint group, uint threads, uint thread_index, uint n, uint chunk, uint parts) {
    Item item;
    item.index = wide ? group : group * (threads / 32) + thread_index / 32;
    item.row = item.index / parts;
    item.part = item.index % parts;
    item.first = item.part * chunk;
    item.count = min(chunk, n - item.first);
    item.lane = wide ? thread_index : thread_index % 32;
    item.lanes = wide ? threads : 32;
    return item;
}

// Elements before the first that is aligned to a quad. `shift`: where the tensor starts, modulo 4.
inline uint unaligned(Item item, uint n, uint shift) {
    uint start = shift + item.row * n + item.first;  // modulo 2^32, and so modulo 4
    return min((0 - start) % 4, item.count);
}

// Gives every element of the item to one of the lane's four reducers, and joins the four.
template <typename R, typename A, typename T>
R reduce(const device T* x, Item item, uint n, uint shift) {
    const device T* part = x + size_t(item.row) * n + item.first;
    const uint head = unaligned(item, n, shift), quads = (item.count - head) / 4;
    R four[4] = {R::none(), R::none(), R::none(), R::none()};
    if (item.lane < head) four[0].take(A(part[item.lane]), item.first + item.lane);
    const device vec<T, 4>* body = (const device vec<T, 4>*)(part + head);
    for (uint quad = item.lane; quad < quads; quad += item.lanes) {
        const vec<T, 4> values = body[quad];
        const uint position = item.first + head + 4 * quad;
        four[0].take(A(values.x), position);
        four[1].take(A(values.y), position + 1);
        four[2].take(A(values.z), position + 2);
        four[3].take(A(values.w), position + 3);
    }
    const uint last = head + 4 * quads + item.lane;
    if (last < item.count) four[0].take(A(part[last]), item.first + last);
    four[0].merge(four[1]);
    four[2].merge(four[3]);
    four[0].merge(four[2]);
    return four[0];
}

// Joins the lanes of a SIMD group; every lane gets the result.
template <typename R> R across(R reducer) {
    for (ushort mask = 16; mask > 0; mask /= 2) reducer.merge(reducer.from_lane(mask));
    return reducer;
}

// Joins the lanes of an item; every lane gets the result. `scratch`: one reducer a SIMD group.
template <typename R>
R combine(R reducer, Item item, bool wide, threadgroup R* scratch) {
    reducer = across(reducer);
    if (wide) {
        if (item.lane % 32 == 0) scratch[item.lane / 32] = reducer;
        threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' results are there
        reducer = scratch[0];
        for (uint group = 1; group < item.lanes / 32; ++group) reducer.merge(scratch[group]);
    }
    return reducer;
}
