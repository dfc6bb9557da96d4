// Entries of tables that fit a threadgroup's memory beside a selection.
constant constexpr uint HELD = 3072;

// The sum of the entries that the codes of one row name; `own` is the row's first byte, and 64 rows lie side by side.
template <int WORDS, typename Table>
float entries_of(Table tables, const device uchar* own, uint m) {
    float sum = 0;
    for (uint j = 0; j < m; ++j) {
        const uint code = own[WORDS == 16 ? j / 2 * 64 : j * 64];
        const uint word = WORDS == 16 ? (code >> (j % 2 * 4)) & 15u : code;
        sum += tables[j * WORDS + word];
    }
    return sum;
}
