// Sixteen bytes of neighbours as floats.
inline void widen(uint4 words, const device float*, thread float* to) {
    for (int i = 0; i < 4; ++i) to[i] = as_type<float>(words[i]);
}
inline void widen(uint4 words, const device half*, thread float* to) {
    for (int i = 0; i < 4; ++i) {
        const half2 pair = as_type<half2>(words[i]);
        to[2 * i] = float(pair.x);
        to[2 * i + 1] = float(pair.y);
    }
}
inline void widen(uint4 words, const device bfloat*, thread float* to) {
    for (int i = 0; i < 4; ++i) {
        to[2 * i] = as_type<float>(words[i] << 16);
        to[2 * i + 1] = as_type<float>(words[i] & 0xffff0000u);
    }
}

// A run of as many neighbours as 16 bytes hold: `count` of them are there, zeros stand for others. `wide`: all are, and lie on such an address.
template <typename T> void load_run(const device T* from, int count, bool wide, thread float* to) {
    if (wide) {
        widen(*reinterpret_cast<const device uint4*>(from), from, to);
    } else {
        for (int i = 0; i < int(16 / sizeof(T)); ++i) to[i] = i < count ? float(from[i]) : 0.0f;
    }
}

// A run that is all there, on such an address.
inline uint word_of(bfloat low, bfloat high) { return uint(as_type<ushort>(low)) | uint(as_type<ushort>(high)) << 16; }
inline uint word_of(half low, half high) { return uint(as_type<ushort>(low)) | uint(as_type<ushort>(high)) << 16; }
inline void store_run(device float* to, const thread float* from) {
    *reinterpret_cast<device float4*>(to) = float4(from[0], from[1], from[2], from[3]);
}
inline void store_run(device bfloat* to, const thread float* from) {
    uint4 words;
    for (int i = 0; i < 4; ++i) words[i] = word_of(bfloat(from[2 * i]), bfloat(from[2 * i + 1]));
    *reinterpret_cast<device uint4*>(to) = words;
}
inline void store_run(device half* to, const thread float* from) {
    uint4 words;
    for (int i = 0; i < 4; ++i) words[i] = word_of(half(from[2 * i]), half(from[2 * i + 1]));
    *reinterpret_cast<device uint4*>(to) = words;
}
