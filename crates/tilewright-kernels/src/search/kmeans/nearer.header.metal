// Adds a sum and its rest to another; what rounding loses goes to the rest (Knuth's two-sum).
inline void plus(thread float& high, thread float& low, float other, float rest) {
    const float sum = high + other, part = sum - high;
    low += rest + ((high - (sum - part)) + (other - part));
    high = sum;
}
