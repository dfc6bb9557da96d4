// W neighbouring elements, as one vector where there are 4.
template <int W, typename T> void load_run(const device T* from, thread float* to) {
    if (W == 4) {
        const vec<T, 4> run = *(const device vec<T, 4>*)from;
        for (uint w = 0; w < 4; ++w) to[w] = float(run[w]);
    } else {
        to[0] = float(from[0]);
    }
}
template <int W, typename S> void store_run(device S* to, const thread float* from) {
    if (W == 4) {
        *(device vec<S, 4>*)to = vec<S, 4>(S(from[0]), S(from[1]), S(from[2]), S(from[3]));
    } else {
        to[0] = S(from[0]);
    }
}
