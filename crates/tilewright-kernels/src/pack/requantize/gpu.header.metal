// Four values of 8 bits as halves of two bytes, the low ones of the result. No lane of 16 bits overflows into the next: 226 * 255 + 5888 < 2^16.
inline uint halves_of(uint word) {
    const uint biased = word ^ 0x80808080u;
    const uint even = (biased & 0x00ff00ffu) * 226u + 0x17001700u, odd = (biased >> 8 & 0x00ff00ffu) * 226u + 0x17001700u;
    const uint both = ((even >> 12 & 0x000f000fu) | (odd >> 8 & 0x00f000f0u)) ^ 0x00880088u;
    return (both | both >> 8) & 0xffffu;
}
