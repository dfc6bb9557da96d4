// One thread: s [4] int = {7, -7, 1000000007, -2147483647}, v [4] uint = {7, 4000000000, 0, 2147483648}; out
// [64] int. Division and remainder truncate; narrow types widen to int; shifts of negative numbers keep the
// sign; mixed comparisons are unsigned.
uint n = 0;
for (int i = 0; i < 4; ++i) {
    out[n++] = s[i] / 3;
    out[n++] = s[i] % 3;
    out[n++] = s[i] / -3;
    out[n++] = s[i] % -3;
    out[n++] = int(v[i] / 3u);
    out[n++] = int(v[i] % 3u);
    out[n++] = s[i] >> 3;
    out[n++] = int(v[i] >> 3);
    out[n++] = int(v[i] << 5);
    out[n++] = int(uint(s[i]) / 3u);
}
const uchar narrow = 200;
const ushort middle = 65535;
out[n++] = narrow + narrow;
out[n++] = uchar(narrow + narrow);
out[n++] = middle * 2 + 1;
out[n++] = short(middle);
out[n++] = char(narrow);
out[n++] = ~narrow;
out[n++] = int(ushort(middle + 1));
out[n++] = -1 < int(v[0]) ? 1 : 0;
out[n++] = uint(-1) < v[0] ? 1 : 0;
out[n++] = int((long(s[2]) * long(s[2])) >> 32);
out[n++] = int(ulong(v[1]) * 5ul >> 20);
out[n++] = int(size_t(v[1]) + size_t(v[3]) >> 4);
out[n++] = int8_t(s[2]) + int16_t(s[2]);
out[n++] = int(uint64_t(1) << 40 >> 35);
out[n++] = (ushort4(1, 2, 3, 65535) + ushort4(2)).w;
out[n++] = (uint2(1, 3) << uint2(33, 2)).x + int((uint2(1, 3) << 2u).y);
out[n++] = (int3(-7, 8, 9) / int3(2)).x;
out[n++] = (int3(-7, 8, 9) % 5).x;
out[n++] = (uint4(0xf0u) & 0x30u | uint4(1)).z ^ 2;
out[n++] = int(sizeof(ushort) * 1000 + sizeof(ulong) * 100 + sizeof(uchar) * 10 + sizeof(size_t));
out[n++] = abs(s[1]) + int(min(v[0], 3u)) + max(s[0], -8) + clamp(s[2], -5, 5);
out[n++] = int(max(v[1], 5u) >> 16) + min(short(3), short(-3)) + int(absdiff(s[0], s[1]));
while (n < 64) out[n++] = 0;
