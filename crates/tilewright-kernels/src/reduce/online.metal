// The reducer of `logsumexp` and `softmax`: the largest value, and the sum of exponentials relative to it.
// NaN never becomes the largest, but makes the sum NaN.

struct Online {
    float largest, sum;
    static Online none() { return seen(-INFINITY, 0.0f); }
    static Online seen(float largest, float sum) {
        Online r;
        r.largest = largest;
        r.sum = sum;
        return r;
    }
    void take(float x, uint) { merge(x == x ? seen(x, 1.0f) : seen(-INFINITY, x)); }
    void merge(Online other) {
        // Equal maxima, infinite ones too, have the distance 0.
        const float ratio = largest == other.largest ? 1.0f : precise::exp(-abs(largest - other.largest));
        if (other.largest > largest) {
            sum = sum * ratio + other.sum;
            largest = other.largest;
        } else {
            sum += other.sum * ratio;
        }
    }
    Online from_lane(ushort mask) const {
        return seen(Lane<float>::exchange(largest, mask), Lane<float>::exchange(sum, mask));
    }
};
