//! What the token pass makes of each construct, on both targets.

use super::*;

fn cuda(source: &str) -> String {
    translate(source, Target::Cuda, Place::Body).expect("translates").text
}

fn header(source: &str) -> String {
    translate(source, Target::Emulated, Place::Header).expect("translates").text
}

#[track_caller]
fn same_on_both(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        for target in [Target::Cuda, Target::Emulated] {
            let text = translate(source, target, Place::Body).expect("translates").text;
            assert_eq!(&text, expected, "{target:?}: {source}");
            assert_eq!(text.lines().count(), source.lines().count(), "lines of {source}");
        }
    }
}

#[track_caller]
fn refused(source: &str, place: Place, construct: &str, line: usize) {
    let refusal = translate(source, Target::Cuda, place).expect_err(source);
    assert_eq!((refusal.construct.as_str(), refusal.line), (construct, line), "{refusal}");
    assert!(!refusal.why.is_empty());
}

#[test]
fn address_space_words_go_from_pointers() {
    same_on_both(&[
        ("device float* p = x + 4;", "float* p = x + 4;"),
        ("const device T* p = (const device T*)x;", "const T* p = (const T*)x;"),
        (
            "device const float4* v = reinterpret_cast<device const float4*>(x);",
            "const float4* v = reinterpret_cast<const float4*>(x);",
        ),
        ("auto f = [](thread auto& a, threadgroup float* s) {};", "auto f = [](auto& a, float* s) {};"),
        ("threadgroup float* p = tile;", "float* p = tile;"),
        ("const threadgroup T* p = tile, *q = tile;", "const T* p = tile, *q = tile;"),
        ("threadgroup const T (&row)[32] = tile[0];", "const T (&row)[32] = tile[0];"),
        ("threadgroup auto& r = tile[0];", "auto& r = tile[0];"),
        ("threadgroup float* rows[4];", "float* rows[4];"),
        ("Wrapper<threadgroup float*> w;", "Wrapper<float*> w;"),
        (
            "use(as<threadgroup atomic_uint*>(p), (threadgroup\nfloat*)q);",
            "use(as<atomic_uint*>(p), (\nfloat*)q);",
        ),
        ("f(x); for (threadgroup float* p = a; p < b; ++p) {}", "f(x); for (float* p = a; p < b; ++p) {}"),
    ]);
}

#[test]
fn threadgroup_variables_are_declared() {
    same_on_both(&[
        ("threadgroup float a[4][5], b;", "TW_THREADGROUP float a[4][5], b; TW_DECLARED(a); TW_DECLARED(b);"),
        ("threadgroup atomic_uint n;", "TW_THREADGROUP atomic_uint n; TW_DECLARED(n);"),
        (
            "threadgroup metal::vec<T, 4> v[N * (M + 1)];",
            "TW_THREADGROUP metal::vec<T, 4> v[N * (M + 1)]; TW_DECLARED(v);",
        ),
        ("threadgroup unsigned int u[2];", "TW_THREADGROUP unsigned int u[2]; TW_DECLARED(u);"),
        ("threadgroup typename S<T>::type s;", "TW_THREADGROUP typename S<T>::type s; TW_DECLARED(s);"),
        ("alignas(16) threadgroup T a[8];", "alignas(16) TW_THREADGROUP T a[8]; TW_DECLARED(a);"),
        ("threadgroup alignas(16) T a[8];", "TW_THREADGROUP alignas(16) T a[8]; TW_DECLARED(a);"),
        ("static threadgroup T a[8];", "TW_THREADGROUP T a[8]; TW_DECLARED(a);"),
        ("float threadgroup a[8];", "float TW_THREADGROUP a[8]; TW_DECLARED(a);"),
        ("{ threadgroup struct Pair p[2]; }", "{ TW_THREADGROUP struct Pair p[2]; TW_DECLARED(p); }"),
        (
            "if (k < n) { f(); }\n// threadgroup float c;\nthreadgroup\n  float a[3\n ];\nint b;",
            "if (k < n) { f(); }\n// threadgroup float c;\nTW_THREADGROUP\n  float a[3\n ]; TW_DECLARED(a);\nint b;",
        ),
        (
            "#define TILE threadgroup float t[4];\nTILE",
            "#define TILE TW_THREADGROUP float t[4]; TW_DECLARED(t);\nTILE",
        ),
        (
            "threadgroup_barrier(mem_flags::mem_threadgroup);",
            "threadgroup_barrier(mem_flags::mem_threadgroup);",
        ),
    ]);
    refused("int a;\nthreadgroup float a[3], *p;", Place::Body, "threadgroup", 2);
    refused("threadgroup int a = 0;", Place::Body, "threadgroup", 1);
    refused("threadgroup float a[3];", Place::Header, "threadgroup", 1);
    refused("struct S { threadgroup float a; };", Place::Body, "threadgroup", 1);
    refused("#define SHARED threadgroup\n", Place::Header, "threadgroup", 1);
    refused("using shared = threadgroup float;", Place::Body, "threadgroup", 1);
}

#[test]
fn constant_is_const_once() {
    same_on_both(&[
        ("const constant int* p = x_shape;", "const int* p = x_shape;"),
        ("constant const float& c = cap;", "const float& c = cap;"),
        ("constant float4* v = (constant float4*)x;", "const float4* v = (const float4*)x;"),
        (
            "f<constant int*>(static_cast<const constant int*>(p));",
            "f<const int*>(static_cast<const int*>(p));",
        ),
        (
            "auto g = [](constant T const* p, vec<T, 4> const constant* q) {};",
            "auto g = [](T const* p, vec<T, 4> const * q) {};",
        ),
        ("constant const vec<const int, 2>* p;", "const vec<const int, 2>* p;"),
        ("constant vec<const int, 2>* p;", "const vec<const int, 2>* p;"),
    ]);
}

#[test]
fn program_scope_constants() {
    assert_eq!(header("constant float t[2] = {1, 2};"), "TW_CONSTANT float t[2] = {1, 2};");
    assert_eq!(header("constant constexpr int N = 4;"), "TW_CONSTANT constexpr int N = 4;");
    assert_eq!(header("static const constant int N = 4;"), "static TW_CONSTANT int N = 4;");
    assert_eq!(header("namespace a { constant int N = 4; }"), "namespace a { TW_CONSTANT int N = 4; }");
    assert_eq!(
        header("template <typename T> constant T eps = T(1);"),
        "template <typename T> TW_CONSTANT T eps = T(1);"
    );
    assert_eq!(
        header("constant float* first(constant float* p) { return p; }"),
        "const float* first(const float* p) { return p; }"
    );
    assert_eq!(
        header("struct S { static constant constexpr int N = 4; };"),
        "struct S { static const constexpr int N = 4; };"
    );
    assert_eq!(
        header("void f() { constant int* p = q; }\nconstant int M = 1;"),
        "void f() { const int* p = q; }\nTW_CONSTANT int M = 1;"
    );
}

#[test]
fn floating_literals_are_float() {
    same_on_both(&[
        ("a = 1.0 + 1. + .5 + 1e-5 + 1E+5;", "a = 1.0f + 1.f + .5f + 1e-5f + 1E+5f;"),
        ("a = 0x1.8p3 + 0x1p-2f + 1.0f + 2.F;", "a = 0x1.8p3f + 0x1p-2f + 1.0f + 2.F;"),
        ("a = 1 + 1u + 1ull + 0xE + 0xEp1 + 07 + 1'000;", "a = 1 + 1u + 1ull + 0xE + 0xEp1f + 07 + 1'000;"),
        ("a = 1.0h + 2.5H * 0.5bf;", "a = half(1.0f) + half(2.5f) * bfloat(0.5f);"),
        ("a = v1.0; /* 1.5 */ b = \"1.5\"; // 1.5", "a = v1.0f; /* 1.5 */ b = \"1.5\"; // 1.5"),
        (
            "#define EPS 1e-6 // 1.5\n#if 1\n#endif\nx = v.x / 1e3;",
            "#define EPS 1e-6f // 1.5\n#if 1\n#endif\nx = v.x / 1e3f;",
        ),
        ("#define F(a) \\\n  (a * 2.0)\nF(1.0)", "#define F(a) \\\n  (a * 2.0f)\nF(1.0f)"),
    ]);
}

#[test]
fn pragmas() {
    let loops =
        "#pragma clang loop unroll(full)\nfor (;;) {}\n  #pragma clang loop unroll_count(4)\nfor (;;) {}";
    assert_eq!(cuda(loops), "#pragma unroll\nfor (;;) {}\n  #pragma unroll 4\nfor (;;) {}");
    assert_eq!(header(loops), "\nfor (;;) {}\n  \nfor (;;) {}");
    assert_eq!(cuda("#pragma unroll(2)\n#pragma nounroll"), "#pragma unroll 2\n#pragma unroll 1");
    assert_eq!(cuda("_Pragma(\"unroll\") for"), "_Pragma(\"unroll\") for");
    assert_eq!(cuda("_Pragma(\"clang loop unroll(disable)\") for"), "_Pragma(\"unroll 1\") for");
    assert_eq!(header("_Pragma(\"unroll\") for"), " for");
    for off in
        ["#pragma clang fp contract(off)", "#pragma METAL fp contract(off)", "#pragma STDC FP_CONTRACT OFF"]
    {
        let made = translate(&format!("{off}\nx;"), Target::Cuda, Place::Body).expect("translates");
        assert_eq!((made.text.as_str(), made.contract_off), ("\nx;", true));
    }
    assert!(
        !translate("#pragma clang fp contract(fast)", Target::Cuda, Place::Body)
            .expect("translates")
            .contract_off
    );
}

#[test]
fn headers_and_attributes_of_metal_go() {
    assert_eq!(
        header(
            "#include <metal_stdlib>\n#include \"mlx/backend/metal/kernels/utils.h\"\nusing namespace metal;"
        ),
        "\n\nusing namespace metal;"
    );
    assert_eq!(
        header(
            "[[kernel]] void k(const device float* x [[buffer(0)]],\n uint i [[thread_position_in_grid]]) {}"
        ),
        " void k(const float* x ,\n uint i ) {}"
    );
    assert_eq!(
        header("kernel void k() { [[maybe_unused]] int kernel_size; }"),
        "void k() { [[maybe_unused]] int kernel_size; }"
    );
    assert_eq!(header("int x = a[b[0]];"), "int x = a[b[0]];");
}

#[test]
fn refusals_name_the_construct_and_its_line() {
    refused("\n\nmpp::tensor_ops::matmul2d<d> op;", Place::Body, "mpp", 3);
    refused("void f(texture2d<float, access::read> t) {}", Place::Header, "texture2d", 1);
    refused("texture2d_array<float> t;", Place::Header, "texture2d_array", 1);
    refused("constexpr sampler s(coord::normalized);", Place::Body, "sampler", 1);
    refused("constant bool fast [[function_constant(0)]];", Place::Header, "function_constant", 1);
    refused("#include <metal_tensor>\n", Place::Header, "metal_tensor", 1);
    refused("#include <vector>\n", Place::Header, "vector", 1);
    refused("raytracing::intersector<> i;", Place::Body, "raytracing", 1);
    refused("/* os_log\n */ os_log_default.log(\"x\");", Place::Body, "os_log_default", 2);
    refused("#line 40 \"x.header\"\n\ndouble d;", Place::Header, "double", 41);
    let error = translate("goto end;", Target::Emulated, Place::Body).expect_err("refused").to_string();
    assert_eq!(error, "line 1: `goto`: Metal has no goto");
    // A plain name that only resembles one.
    assert!(translate("int sampler = 1, texture2da = 2, tensor = 3;", Target::Cuda, Place::Body).is_ok());
}

#[test]
fn identifiers_are_whole_words_outside_comments() {
    let body = "// grid_size\nuint i = thread_position_in_grid.x; /* x_shape */\n#if defined(FAST)\n\"a_strides\"\n#define N my_x_shape[0]\n#include <metal_math>\n#endif";
    let names = identifiers(body);
    for name in ["i", "thread_position_in_grid", "FAST", "my_x_shape", "N", "uint"] {
        assert!(names.contains(name), "{name}");
    }
    for name in ["grid_size", "x_shape", "a_strides", "metal_math"] {
        assert!(!names.contains(name), "{name}");
    }
}

#[test]
fn locals_of_the_outermost_block() {
    let body = "uint grid_size = x_shape[0], lane = 3;\nconst device T* p = x + (a, b);\n#define threads_per_grid 7\n\
                for (uint i = 0; i < n; ++i) { uint inner; }\nauto f = [](uint j) { return j; };\nreturn last;\nuse(thread_index_in_simdgroup);\n\
                y = thread_execution_width;\nthreadgroup float tile[4];\nint vec<T, 2>::* q;";
    let names = locals(body);
    for name in ["grid_size", "lane", "p", "threads_per_grid", "f", "tile"] {
        assert!(names.contains(name), "{name}");
    }
    for name in
        ["i", "inner", "j", "last", "thread_index_in_simdgroup", "thread_execution_width", "x_shape", "b"]
    {
        assert!(!names.contains(name), "{name}");
    }
}

#[test]
fn untouched_source_comes_back_as_it_is() {
    let source = "#if X /* a\nb */\n#endif\nint é = 'c' + '\\'' + a->b::c; // end \\\n still comment\n\tfloat y = x < 1 ? a : b;\r\n\"open";
    same_on_both(&[
        (source, source),
        ("", ""),
        ("#define", "#define"),
        ("'", "'"),
        ("/* open", "/* open"),
        ("\\", "\\"),
    ]);
}
