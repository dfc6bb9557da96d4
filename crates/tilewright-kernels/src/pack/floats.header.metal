// What values are, and the 8-bit floats among them by integer arithmetic.
#define INTEGERS 0
#define NIBBLES 1
#define E4M3 2
#define E5M2 3

// The byte of a float whose magnitude is at most the format's largest, give or take a rounding; no NaN.
template <int MANTISSA, int MINIMUM>
uint rounded_byte(float x) {
    const uint magnitude = as_type<uint>(x) & 0x7fffffffu, drop = 23 - MANTISSA;
    const uint rounded = (magnitude + ((1u << (drop - 1)) - 1) + (magnitude >> drop & 1)) >> drop;
    // Scaled so that the format's smallest number is 1; below 2^MANTISSA, so rint rounds it right.
    const float scaled = as_type<float>(magnitude) * as_type<float>(uint(127 + MANTISSA - MINIMUM) << 23);
    const bool normal = magnitude >= uint(127 + MINIMUM) << 23;
    const uint field = normal ? rounded - (uint(126 + MINIMUM) << MANTISSA) : uint(rint(scaled));
    return field | (as_type<uint>(x) >> 31) << 7;
}

// The float of a byte.
template <int MANTISSA, int MINIMUM>
float widened(uint byte) {
    const uint field = byte & 0x7fu;
    const uint normal = (field << (23 - MANTISSA)) + (uint(126 + MINIMUM) << 23);
    // Scaled, since a GPU may flush f32 subnormals.
    const float spacing = as_type<float>(uint(127 + MINIMUM - MANTISSA) << 23);
    uint magnitude = field >> MANTISSA ? normal : as_type<uint>(float(field) * spacing);
    if (MANTISSA == 3 ? field == 0x7fu : field > 0x7cu) magnitude = 0x7fc00000u;
    if (MANTISSA == 2 && field == 0x7cu) magnitude = 0x7f800000u;
    return as_type<float>(magnitude | (byte >> 7) << 31);
}

template <int FORMAT>
float float_of(uint byte) {
    return FORMAT == E4M3 ? widened<3, -6>(byte) : widened<2, -14>(byte);
}
