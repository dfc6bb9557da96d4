template <int BYTES> struct WordOf;
template <> struct WordOf<16> { using type = uint4; };
template <> struct WordOf<8> { using type = uint2; };
template <> struct WordOf<4> { using type = uint; };
template <> struct WordOf<2> { using type = ushort; };
template <> struct WordOf<1> { using type = uchar; };
