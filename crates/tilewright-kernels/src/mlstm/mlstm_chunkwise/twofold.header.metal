// A number as the sum of two floats, the second below half a unit in the last place of the first.
// No product is near these sums, so contraction cannot touch them; they must not be reassociated.
inline float2 twofold_sum(float2 a, float2 b) {
    const float sum = a.x + b.x;
    if (isinf(sum)) return float2(sum, 0.0f);
    const float of_b = sum - a.x;
    const float low = (a.x - (sum - of_b)) + (b.x - of_b) + (a.y + b.y);
    const float high = sum + low;
    return float2(high, low - (high - sum));
}

inline float2 twofold_max(float2 a, float2 b) { return a.x > b.x || (a.x == b.x && a.y > b.y) ? a : b; }

// a - b; near 0 where they are near each other, however large they are.
inline float twofold_difference(float2 a, float2 b) { return (a.x - b.x) + (a.y - b.y); }
