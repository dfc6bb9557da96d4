// Elements of so many bytes, and their places in a word of 16.
template <int BYTES> struct Element {
    using type = ulong;
    static void put(thread uint4& word, uint at, ulong element) {
        word[2 * at] = uint(element);
        word[2 * at + 1] = uint(element >> 32);
    }
    static ulong get(uint4 word, uint at) { return ulong(word[2 * at]) | ulong(word[2 * at + 1]) << 32; }
};
template <> struct Element<4> {
    using type = uint;
    static void put(thread uint4& word, uint at, uint element) { word[at] = element; }
    static uint get(uint4 word, uint at) { return word[at]; }
};
template <> struct Element<2> {
    using type = ushort;
    static void put(thread uint4& word, uint at, ushort element) { word[at / 2] |= uint(element) << (at % 2 * 16); }
    static ushort get(uint4 word, uint at) { return ushort(word[at / 2] >> (at % 2 * 16)); }
};
template <> struct Element<1> {
    using type = uchar;
    static void put(thread uint4& word, uint at, uchar element) { word[at / 4] |= uint(element) << (at % 4 * 8); }
    static uchar get(uint4 word, uint at) { return uchar(word[at / 4] >> (at % 4 * 8)); }
};
