inline float capped(float score, float cap) {
    // cap tanh(score / cap); the ends of exp are those of tanh.
    return cap > 0.0f ? cap - 2.0f * cap / (exp(score * (2.0f / cap)) + 1.0f) : score;
}
