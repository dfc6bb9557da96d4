//! A kernel body as the tests of the emulator run it: built once per mode, launched on one input and one output.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tilewright_gpu::backend::emulator_host::{
    Argument, BuildError, Contents, Fault, FaultKind, Mode, Request, Toolchain, run,
};
use tilewright_gpu::dialect::{Place, Target, emulator_unit, tokens};

/// The built-ins, and whether they are `uint3`.
const BUILT_INS: [(&str, bool); 20] = [
    ("dispatch_quadgroups_per_threadgroup", false),
    ("dispatch_simdgroups_per_threadgroup", false),
    ("dispatch_threads_per_threadgroup", true),
    ("grid_origin", true),
    ("grid_size", true),
    ("quadgroup_index_in_threadgroup", false),
    ("quadgroups_per_threadgroup", false),
    ("simdgroup_index_in_threadgroup", false),
    ("simdgroups_per_threadgroup", false),
    ("thread_execution_width", false),
    ("thread_index_in_quadgroup", false),
    ("thread_index_in_simdgroup", false),
    ("thread_index_in_threadgroup", false),
    ("thread_position_in_grid", true),
    ("thread_position_in_threadgroup", true),
    ("threadgroup_position_in_grid", true),
    ("threadgroups_per_grid", true),
    ("threads_per_grid", true),
    ("threads_per_simdgroup", false),
    ("threads_per_threadgroup", true),
];

/// A value that a buffer holds.
pub(crate) trait Element: Copy + PartialEq + std::fmt::Debug {
    /// Its name in Metal.
    const NAME: &'static str;
    fn to_bytes(self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($type:ty = $name:literal),*) => {$(
        impl Element for $type {
            const NAME: &'static str = $name;
            fn to_bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
            fn from_bytes(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("the size of an element"))
            }
        }
    )*};
}
element!(f32 = "float", u32 = "uint", i32 = "int", u16 = "ushort", u8 = "uchar");

/// One kernel: `const device A* x`, `device B* out` and `threadgroup uchar* scratch`.
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) header: &'static str,
    pub(crate) body: &'static str,
    /// Type of `out`, where it is not the element's (atomics).
    pub(crate) out: Option<&'static str>,
    pub(crate) grid: [u32; 3],
    pub(crate) group: [u32; 3],
    pub(crate) scratch_bytes: u32,
    pub(crate) timeout: Duration,
}

/// What `out` holds before the launch, and must afterwards.
#[derive(Clone, Copy)]
pub(crate) enum Before {
    Poison,
    /// Poison, of which nothing may be left.
    PoisonToFill,
    Zeros,
}

/// One kernel with one group of `threads`.
pub(crate) fn kernel(name: &'static str, threads: u32, body: &'static str) -> Kernel {
    Kernel {
        name,
        header: "",
        body,
        out: None,
        grid: [threads, 1, 1],
        group: [threads, 1, 1],
        scratch_bytes: 0,
        timeout: Duration::from_secs(60),
    }
}

pub(crate) fn toolchain() -> &'static Toolchain {
    static FOUND: OnceLock<Toolchain> = OnceLock::new();
    FOUND.get_or_init(|| Toolchain::find().expect("the tests of the emulator need a C++ compiler"))
}

impl Kernel {
    pub(crate) fn build<A: Element, B: Element>(&self, mode: Mode) -> Result<Built<'_>, BuildError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let out = self.out.unwrap_or(B::NAME);
        let mut parameters =
            format!("const device {}* x, device {out}* out, threadgroup uchar* scratch", A::NAME);
        let mut arguments =
            format!("a.pointer<const {}>(0), a.pointer<{out}>(1), tw::dynamic_threadgroup<uchar>()", A::NAME);
        let (named, own) = (tokens::identifiers(self.body), tokens::locals(self.body));
        for (built_in, triple) in BUILT_INS {
            if named.contains(built_in) && !own.contains(built_in) {
                parameters += if triple { ", uint3 " } else { ", uint " };
                parameters += &format!("{built_in} [[{built_in}]]");
                arguments += &format!(", tw::here().{built_in}");
            }
        }
        let Kernel { name, header, body, .. } = self;
        let source = format!(
            "namespace tw_user {{ namespace {{ using namespace metal;\n#line 1 \"{name}.header\"\n{header}\n\
             [[kernel]] void {name}({parameters}) {{\n#line 1 \"{name}\"\n{body}\nTW_BODY_END\n}}\n\
             void call(const tw::Arguments& a) {{ {name}({arguments}); }}\n}} }}\n\
             void tw_invoke(const tw::Arguments& a) {{ tw_user::call(a); }}\n"
        );
        let translated = tokens::translate(&source, Target::Emulated, Place::Header).expect("translates");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("emulated-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the tests' executables");
        static EMULATORS: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
        let emulator = EMULATORS[mode as usize].get_or_init(|| {
            let path = folder.join(format!("emulator-{mode:?}.o"));
            toolchain().build_emulator(mode, &path).unwrap_or_else(|e| panic!("{e}"));
            path
        });
        let path = folder.join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let unit = emulator_unit(&translated.text);
        toolchain().build(&unit, name, mode, translated.contract_off, emulator, &path)?;
        Ok(Built { kernel: self, path })
    }

    /// Builds for `mode` and launches once.
    pub(crate) fn run<A: Element, B: Element>(
        &self,
        mode: Mode,
        seed: u64,
        x: &[A],
        out: usize,
    ) -> Result<Vec<B>, Fault> {
        self.build::<A, B>(mode).unwrap_or_else(|e| panic!("{e}")).launch(seed, x, out, Before::Poison)
    }

    /// Builds for both modes, launches with several seeds, and expects the same right output from all.
    #[track_caller]
    pub(crate) fn gives<A: Element, B: Element>(&self, x: &[A], expected: &[B]) {
        for mode in [Mode::Address, Mode::Race] {
            let built = self.build::<A, B>(mode).unwrap_or_else(|e| panic!("{e}"));
            for seed in 0..4 {
                let got: Vec<B> =
                    built.launch(seed, x, expected.len(), Before::PoisonToFill).unwrap_or_else(|f| {
                        panic!("{} {mode:?} seed {seed}: {:?}: {f}\n{}", self.name, f.kind, f.report)
                    });
                assert_eq!(got, expected, "{} {mode:?} seed {seed}", self.name);
            }
        }
    }

    /// Expects a fault of `kind` whose message has all of `parts`, on every seed.
    #[track_caller]
    pub(crate) fn faults<A: Element, B: Element>(
        &self,
        mode: Mode,
        x: &[A],
        out: usize,
        kind: FaultKind,
        parts: &[&str],
    ) {
        let built = self.build::<A, B>(mode).unwrap_or_else(|e| panic!("{e}"));
        for seed in 0..3 {
            let result: Result<Vec<B>, Fault> = built.launch(seed, x, out, Before::PoisonToFill);
            let fault = result.expect_err("the fault should be found");
            assert_eq!(fault.kind, kind, "{} seed {seed}: {fault}\n{}", self.name, fault.report);
            for part in parts {
                assert!(fault.message.contains(part), "{} seed {seed}: no `{part}` in: {fault}", self.name);
            }
        }
    }
}

/// An executable, removed when dropped.
pub(crate) struct Built<'k> {
    kernel: &'k Kernel,
    path: PathBuf,
}

impl Built<'_> {
    /// One launch with `out` elements of output.
    pub(crate) fn launch<A: Element, B: Element>(
        &self,
        seed: u64,
        x: &[A],
        out: usize,
        before: Before,
    ) -> Result<Vec<B>, Fault> {
        let input: Vec<u8> = x.iter().flat_map(|v| v.to_bytes()).collect();
        let size = out * size_of::<B>();
        let zeros = vec![0; size];
        let output = Argument {
            name: "out",
            contents: if matches!(before, Before::Zeros) {
                Contents::Given(&zeros)
            } else {
                Contents::Poisoned(size)
            },
            returned: true,
            read_only: false,
            fully_written: matches!(before, Before::PoisonToFill),
            misalignment: 0,
        };
        let input = Argument {
            name: "x",
            contents: Contents::Given(&input),
            returned: false,
            read_only: true,
            fully_written: false,
            misalignment: 0,
        };
        let arguments = [input, output];
        let mut request = Request::new(seed, self.kernel.grid, self.kernel.group, &arguments);
        request.dynamic_threadgroup_bytes = self.kernel.scratch_bytes;
        let answer = run(&self.path, &request, self.kernel.timeout)?;
        Ok(answer[0].chunks_exact(size_of::<B>()).map(B::from_bytes).collect())
    }
}

impl Drop for Built<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
