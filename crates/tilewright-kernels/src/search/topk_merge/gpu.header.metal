// Candidates of one part for one query, in order, negative ids last.
struct Part {
    const device float* distances;
    const device int64_t* ids;
    uint kk;

    uint key(uint place) const { return distances[place] != distances[place] ? ~0u : key_of(distances[place]); }

    // How many candidates there are.
    uint count() const {
        uint low = 0, high = kk;
        while (low < high) {
            const uint middle = (low + high) / 2;
            if (ids[middle] >= 0) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    // How many candidates come before (key, id); those that equal it too, where `equal`.
    uint before(uint other, int64_t id, bool equal) const {
        uint low = 0, high = kk;
        while (low < high) {
            const uint middle = (low + high) / 2;
            const uint own = key(middle);
            const bool real = ids[middle] >= 0;
            const bool less = own < other || (own == other && (ids[middle] < id || (equal && ids[middle] == id)));
            if (real && less) low = middle + 1;
            else high = middle;
        }
        return low;
    }
};
