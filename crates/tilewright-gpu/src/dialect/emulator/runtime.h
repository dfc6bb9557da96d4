// The emulator: a kernel as a program that reads one launch from stdin, runs it on one OS thread with the threads of a
// group as fibers, and writes its outputs to stdout. It looks for mistakes and never claims speed.
//
// Two units make one. Both begin with runtime.h (this; faults, and what types.h asks of a target), fibers.h (stacks),
// race.h (who touched which byte), schedule.h (groups, barriers, meetings of a SIMD group) and arguments.h. The emulator's
// own ends with launch.h (request, answer, main) and is compiled once; the kernel's goes on with types.h and vectors.h,
// math.h, simd.h, matrix.h and atomics.h (Metal's names over these), metal.h and the kernel.
//
// A unit is built in one of two ways. For addresses: with AddressSanitizer and UBSan. For races (TW_RACE): the compiler
// instruments every access for ThreadSanitizer, whose entry points launch.h defines. TW_RUNTIME keeps our own functions
// out of both, TW_UNWATCHED out of the second.

// libstdc++'s own <math.h> and <stdlib.h> bring its templates with them, a fifth of the time to compile; C's are enough.
#define _GLIBCXX_INCLUDE_NEXT_C_HEADERS
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#undef isfinite
#undef isinf
#undef isnan
#undef isnormal
#undef signbit

#ifdef TW_RACE
#define TW_RUNTIME __attribute__((no_sanitize("thread")))
#define TW_UNWATCHED TW_RUNTIME
#else
#define TW_RUNTIME __attribute__((no_sanitize("address", "undefined")))
#define TW_UNWATCHED
#endif
#define TW_FN inline

// Both builds link with libasan: for its checks, or only for its symbolizer.
extern "C" void __sanitizer_symbolize_pc(void* pc, const char* format, char* text, size_t size);

namespace tw {

/// A place in the kernel's source that threads wait at.
struct Site {
    const char* what;
    const char* file;
    int line;
};

TW_RUNTIME inline bool operator==(const Site& a, const Site& b) {
    return a.line == b.line && strcmp(a.what, b.what) == 0 && strcmp(a.file, b.file) == 0;
}

/// A read of what was never written, found before it is clear why: a missing barrier shows in this way too, until the
/// write comes. It is reported at the end of the group, or in place of what follows from it.
inline char suspicion[2048];

/// Ends the run with the line that the host looks for: `tilewright: <kind>: <message>`.
[[noreturn]] TW_RUNTIME __attribute__((format(printf, 2, 3))) inline void fault(const char* kind, const char* format, ...) {
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (suspicion[0] && strcmp(kind, "race") != 0) {
        kind = "uninitialised";
        memcpy(message, suspicion, sizeof message);
    }
    fprintf(stderr, "tilewright: %s: %s\n", kind, message);
    fflush(stderr);
    _exit(3);
}

/// Source text as it is printed.
struct Place {
    char text[256];
};

TW_RUNTIME inline Place place(const Site& site) {
    Place made;
    snprintf(made.text, sizeof made.text, "%s at %s:%d", site.what, site.file, site.line);
    return made;
}

/// The line of the author's source that the code at `pc` comes from: the innermost of the functions inlined there that
/// is not ours (the names of our headers start with "tilewright:"). False, and the innermost, if all are ours.
TW_RUNTIME inline bool place_of(void* pc, Place& made) {
    char frames[4096] = {};
    __sanitizer_symbolize_pc(pc, "%s:%l", frames, sizeof frames - 1);
    snprintf(made.text, sizeof made.text, "an unknown line (%p)", pc);
    bool first = true;
    for (const char* frame = frames; *frame; frame += strlen(frame) + 1) {
        const char* slash = strrchr(frame, '/');
        const char* name = slash ? slash + 1 : frame;
        if (name[0] == '<' || name[0] == '?') continue;  // no symbolizer, or no line
        const bool ours = strncmp(name, "tilewright:", 11) == 0;
        if (first || !ours) snprintf(made.text, sizeof made.text, "%.255s", name);
        if (!ours) return true;
        first = false;
    }
    return false;
}

/// The author's line that `pc`, called through the frames from `frame` outwards, was reached from.
TW_RUNTIME inline Place place_of(void* pc, void** frame) {
    Place innermost, made;
    if (place_of(pc, innermost)) return innermost;
    for (int depth = 0; frame && depth < 16; ++depth, frame = static_cast<void**>(frame[0])) {
        if (frame[1] && place_of(static_cast<char*>(frame[1]) - 1, made)) return made;
    }
    return innermost;
}

/// The one source of chance: every choice follows from the seed of the request (splitmix64).
struct Chance {
    uint64_t state;

    TW_RUNTIME uint32_t below(uint32_t bound) {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return uint32_t(((z ^ z >> 31) >> 32) * bound >> 32);
    }
};
inline Chance chance;

// What types.h builds half and bfloat on. Rounding is to nearest, ties to even; a NaN stays a NaN, quiet.

template <class To, class From>
TW_FN To bit_cast(From from) {
    To to;
    static_assert(sizeof to == sizeof from);
    memcpy(&to, &from, sizeof to);
    return to;
}

TW_FN float half_bits_to_float(unsigned short bits) {
    const uint32_t magnitude = uint32_t(bits & 0x7fffu) << 13, sign = uint32_t(bits & 0x8000u) << 16;
    if (magnitude >= 0x0f800000u) return bit_cast<float>(sign | 0x70000000u | magnitude);
    // The exponents' biases differ by 112; the product is exact, subnormals included.
    return bit_cast<float>(sign | bit_cast<uint32_t>(bit_cast<float>(magnitude) * 0x1p112f));
}

TW_FN unsigned short float_to_half_bits(float value) {
    const uint32_t bits = bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    if (magnitude > 0x7f800000u) return (unsigned short)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);  // 65520 and above
    if (magnitude < 0x38800000u) {
        // Subnormal: at 0.5 the spacing of float is 2^-24, half's smallest step, so this sum does the rounding.
        return (unsigned short)(sign | (bit_cast<uint32_t>(bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u));
    }
    return (unsigned short)(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}

TW_FN float bfloat_bits_to_float(unsigned short bits) { return bit_cast<float>(uint32_t(bits) << 16); }

TW_FN unsigned short float_to_bfloat_bits(float value) {
    const uint32_t bits = bit_cast<uint32_t>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)(bits >> 16 | 0x40u);
    return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace tw
