//! A program's own XERBLA is called, with the name and the number; by a C program, as a Rust one exports no symbols.

use std::process::Command;

const PROGRAM: &str = r#"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void told(const char *name, long long position, size_t length) {
    printf("%.*s %lld\n", (int)length, name, position);
}
void xerbla_(const char *name, const int32_t *position, size_t length) { told(name, *position, length); }
void xerbla_64_(const char *name, const int64_t *position, size_t length) { told(name, *position, length); }
void cblas_xerbla(int32_t position, const char *name, const char *form, ...) { printf("%s %d%s\n", name, (int)position, form); }
extern void cblas_dsyrk(int, int, int, int32_t, int32_t, double, const double *, int32_t, double, double *, int32_t);
extern void dpotrf_(const char *, const int32_t *, double *, const int32_t *, int32_t *);
extern void dgetrf_64_(const int64_t *, const int64_t *, double *, const int64_t *, int64_t *, int64_t *);

int main(void) {
    double a[4] = {1, 0, 0, 1};
    int32_t n = 2, lda = 1, info = 0;
    dpotrf_("L", &n, a, &lda, &info);
    int64_t wide = -2, ok = 2, pivots[2], wide_info = 0;
    dgetrf_64_(&ok, &wide, a, &ok, pivots, &wide_info);
    printf("%d %d\n", (int)info, (int)wide_info);
    cblas_dsyrk(101, 121, 111, -1, 2, 1, a, 2, 0, a, 2);
    return 0;
}
"#;

#[test]
fn a_refused_argument_goes_to_the_programs_own_xerbla() {
    if !cfg!(target_os = "linux") {
        return;
    }
    // Cargo builds the shared library beside the tests.
    let test = std::env::current_exe().unwrap();
    let library = test.with_file_name("libtilewright_lapack.so");
    assert!(library.exists(), "{} is not there", library.display());
    let folder = std::env::temp_dir().join(format!("tilewright-xerbla-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, program) = (folder.join("main.c"), folder.join("main"));
    std::fs::write(&source, PROGRAM).unwrap();
    let built =
        Command::new("cc").arg("-rdynamic").arg(&source).arg(&library).arg("-o").arg(&program).output();
    let built = match built {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return eprintln!("no cc: {error}"),
        built => built.unwrap(),
    };
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let output = Command::new(&program).env("LD_LIBRARY_PATH", library.parent().unwrap()).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let (said, warned) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "DPOTRF 4\nDGETRF 2\n-4 -2\ncblas_dsyrk 4\n", "{warned}");
    // Told once, and not on the standard error too.
    assert_eq!(warned, "");
}
