// One thread: a [8], b [8] half; bits [48] ushort; wide [32] float. Each operation of two halfs, or of one
// and an integer, rounds to nearest even; one with a float is a float.
for (int i = 0; i < 8; ++i) {
    const half p = a[i], q = b[i];
    bits[i * 6 + 0] = as_type<ushort>(half(p + q));
    bits[i * 6 + 1] = as_type<ushort>(half(p - q));
    bits[i * 6 + 2] = as_type<ushort>(half(p * q));
    bits[i * 6 + 3] = as_type<ushort>(half(p / q));
    half sum = p;
    sum += q;
    sum *= 3;
    bits[i * 6 + 4] = as_type<ushort>(sum);
    sum = p;
    sum -= 0.001f;
    bits[i * 6 + 5] = as_type<ushort>(sum);
    wide[i * 4 + 0] = p * 1.001f;
    wide[i * 4 + 1] = p + 1;
    wide[i * 4 + 2] = -p;
    wide[i * 4 + 3] =
        (p < q ? 1.0f : 0.0f) + (p == q ? 2.0f : 0.0f) + (abs(p) < 1e6f ? float(int(p)) * 4.0f : 0.0f);
}
