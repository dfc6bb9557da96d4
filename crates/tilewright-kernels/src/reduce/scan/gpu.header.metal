// Four positions of a part of `count` elements, in the order of the scan. Positions beyond the end are 0, and not stored.

template <typename T, typename A>
void load_quad(const device T* part, uint position, uint count, bool aligned, bool reverse, thread A* quad) {
    if (aligned && position < count) {
        const vec<T, 4> v = *(const device vec<T, 4>*)(part + (reverse ? count - 4 - position : position));
        quad[0] = A(reverse ? v.w : v.x);
        quad[1] = A(reverse ? v.z : v.y);
        quad[2] = A(reverse ? v.y : v.z);
        quad[3] = A(reverse ? v.x : v.w);
        return;
    }
    for (uint i = 0; i < 4; ++i) {
        const uint at = position + i;
        quad[i] = at < count ? A(part[reverse ? count - 1 - at : at]) : A(0);
    }
}

template <typename T, typename A>
void store_quad(device T* part, uint position, uint count, bool aligned, bool reverse, const thread A* quad) {
    if (aligned && position < count) {
        vec<T, 4> v;
        v.x = T(quad[reverse ? 3 : 0]);
        v.y = T(quad[reverse ? 2 : 1]);
        v.z = T(quad[reverse ? 1 : 2]);
        v.w = T(quad[reverse ? 0 : 3]);
        *(device vec<T, 4>*)(part + (reverse ? count - 4 - position : position)) = v;
        return;
    }
    for (uint i = 0; i < 4; ++i) {
        const uint at = position + i;
        if (at < count) part[reverse ? count - 1 - at : at] = T(quad[i]);
    }
}
