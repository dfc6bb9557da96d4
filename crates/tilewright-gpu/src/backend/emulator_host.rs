//! Builds emulated kernels with the system C++ compiler and runs them, each in a process of its own.
//!
//! A kernel is a standalone executable: no sanitizer's runtime enters this process, and a crash there ends nothing
//! here. It reads one launch from its standard input and answers on its standard output (`dialect/emulator/launch.h`).

use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::dialect;

/// What the build looks for. Both are needed to say that a kernel is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// AddressSanitizer and UBSan: accesses outside of buffers, arrays and stacks, shifts by the width, divisions by
    /// zero, misaligned vectors. Reads of unwritten memory give NaN.
    Address,
    /// Conflicting accesses of different threads, reads of unwritten memory, outputs that are not fully written.
    Race,
}

impl Mode {
    /// What has the compiler watch a kernel.
    fn instruments(self) -> &'static [&'static str] {
        match self {
            Mode::Address => &[
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
                "-fno-sanitize=float-divide-by-zero,object-size",
            ],
            Mode::Race => &["-fsanitize=thread", "-DTW_RACE"],
        }
    }
}

/// A C++ compiler of this machine.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Program and leading arguments.
    command: Vec<OsString>,
    version: String,
}

/// There is no usable C++ compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoToolchain {
    /// What was looked for, and what became of it.
    pub tried: Vec<String>,
}

impl fmt::Display for NoToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no C++ compiler for emulated kernels (set TILEWRIGHT_CXX); tried {}",
            self.tried.join("; ")
        )
    }
}

impl std::error::Error for NoToolchain {}

/// The compiler refused a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// The kernel.
    pub name: String,
    /// What the compiler said; lines are those of the kernel's own source.
    pub log: String,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel `{}` does not compile for the emulator:\n{}", self.name, self.log)
    }
}

impl std::error::Error for BuildError {}

impl Toolchain {
    /// The compiler named by `TILEWRIGHT_CXX`, else by `CXX`, else the first of `c++`, `g++` and `clang++` that runs.
    ///
    /// # Errors
    ///
    /// What was tried. A variable that is set is binding: if its program does not run, no other is looked for.
    pub fn find() -> Result<Toolchain, NoToolchain> {
        for variable in ["TILEWRIGHT_CXX", "CXX"] {
            if let Some(value) = std::env::var_os(variable).filter(|v| !v.is_empty()) {
                return Toolchain::named(&value).map_err(|why| NoToolchain {
                    tried: vec![format!("{variable}={}: {why}", value.display())],
                });
            }
        }
        let mut tried = Vec::new();
        for name in ["c++", "g++", "clang++"] {
            match Toolchain::named(name.as_ref()) {
                Ok(found) => return Ok(found),
                Err(why) => tried.push(format!("{name}: {why}")),
            }
        }
        Err(NoToolchain { tried })
    }

    /// The compiler `program`, which may carry arguments as the variable `CXX` does (`ccache g++`).
    fn named(program: &std::ffi::OsStr) -> Result<Toolchain, String> {
        let mut command = vec![program.to_owned()];
        if !Path::new(program).is_file()
            && let Some(text) = program.to_str()
        {
            command = text.split_whitespace().map(OsString::from).collect();
        }
        let (first, rest) = command.split_first().ok_or("the name is blank")?;
        let output = Command::new(first).args(rest).arg("--version").output().map_err(|e| e.to_string())?;
        let version =
            String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned();
        if !output.status.success() || version.is_empty() {
            return Err(format!("--version: {}", output.status));
        }
        Ok(Toolchain { command, version })
    }

    /// The first line of what the compiler says of itself: part of a build's identity.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Compiles the emulator itself, which is linked to every kernel of this mode, to the object `out`.
    ///
    /// # Errors
    ///
    /// The compiler's messages, or why it could not be run.
    pub fn build_emulator(&self, mode: Mode, out: &Path) -> Result<(), BuildError> {
        let mut compile = self.command(COMMON);
        compile.args(mode.instruments()).args(["-x", "c++", "-", "-c", "-o"]).arg(out);
        execute(compile, dialect::emulator())
            .map_err(|log| BuildError { name: "the emulator".to_owned(), log })
    }

    /// Builds the unit `source` of the kernel `name`, with the `emulator` of this mode, to the executable `out`.
    ///
    /// `contract_off` forbids that `a * b + c` is fused. Otherwise it is fused wherever this processor can, as Metal's
    /// and CUDA's compilers do.
    ///
    /// # Errors
    ///
    /// The compiler's or linker's messages, or why neither could be run.
    pub fn build(
        &self,
        source: &str,
        name: &str,
        mode: Mode,
        contract_off: bool,
        emulator: &Path,
        out: &Path,
    ) -> Result<(), BuildError> {
        let mut compile = self.command(COMMON);
        if contract_off {
            compile.arg("-ffp-contract=off");
        } else {
            compile.arg("-ffp-contract=fast");
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("fma") {
                compile.arg("-mfma");
            }
        }
        let clang = self.version.contains("clang");
        if !clang {
            // Where gcc fuses; clang does so at every level.
            compile.arg("-fexpensive-optimizations");
        }
        compile.args(mode.instruments());
        let done = match mode {
            Mode::Address => {
                compile.args(["-x", "c++", "-", "-x", "none"]).arg(emulator).arg("-o").arg(out);
                execute(compile, source)
            }
            Mode::Race => {
                // Instrumented for ThreadSanitizer but not linked with it: its entry points are the emulator's own.
                // Of AddressSanitizer's runtime only the symbolizer is used.
                let object = out.with_extension("o");
                if clang {
                    compile.args(["-mllvm", "-tsan-instrument-read-before-write=1"]);
                }
                compile.args(["-x", "c++", "-", "-c", "-o"]).arg(&object);
                let mut link = self.command(&["-fsanitize=address"]);
                link.arg(&object).arg(emulator).arg("-o").arg(out);
                let done = execute(compile, source).and_then(|()| execute(link, ""));
                // Whether it was made or not, nothing refers to it any more.
                let _ = std::fs::remove_file(&object);
                done
            }
        };
        done.map_err(|log| BuildError { name: name.to_owned(), log })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args(arguments);
        command
    }
}

/// Frame pointers lead reports to the author's line; the casts of Metal bodies break C++'s aliasing rule.
const COMMON: &[&str] = &[
    "-std=c++17",
    "-O1",
    "-g1",
    "-w",
    "-fno-omit-frame-pointer",
    "-fno-strict-aliasing",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-math-errno",
    "-fno-threadsafe-statics",
];

/// Runs a compiler on `input`; its messages if it fails.
fn execute(mut command: Command, input: &str) -> Result<(), String> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    // A compiler has no time limit: it ends.
    let output = converse(child, input.as_bytes(), None).map_err(|e| e.to_string())?;
    let output = output.unwrap_or_else(|| unreachable!("there was no time limit"));
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// What a buffer holds before the launch.
#[derive(Clone, Copy, Debug)]
pub enum Contents<'a> {
    /// These bytes.
    Given(&'a [u8]),
    /// This many bytes 0xFF, which count as never written.
    Poisoned(usize),
}

impl Contents<'_> {
    fn len(&self) -> usize {
        match self {
            Contents::Given(data) => data.len(),
            Contents::Poisoned(size) => *size,
        }
    }
}

/// One argument of a kernel: a device buffer, or bytes in constant memory.
#[derive(Clone, Copy, Debug)]
pub struct Argument<'a> {
    /// As reports call it; cut after 63 bytes.
    pub name: &'a str,
    /// Contents and size.
    pub contents: Contents<'a>,
    /// Its contents after the launch are part of the answer.
    pub returned: bool,
    /// The kernel must not write to it.
    pub read_only: bool,
    /// The kernel must write every byte of it ([`Mode::Race`] checks that).
    pub fully_written: bool,
    /// Bytes past a 16-byte boundary at which the buffer begins, below 16: a view's offset, as a device would have it.
    pub misalignment: u8,
}

/// One launch.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Decides the order of groups and threads. All orders are allowed, so the results must not depend on it.
    pub seed: u64,
    /// Threads per axis.
    pub grid: [u32; 3],
    /// Threads of a group per axis, at most 1024 in all.
    pub group: [u32; 3],
    /// Size of the threadgroup memory that the launch gives.
    pub dynamic_threadgroup_bytes: u32,
    /// Stack of one thread; sanitizers make frames several times larger than they are on a GPU.
    pub stack_bytes: u32,
    /// In the order of the kernel's parameters.
    pub arguments: &'a [Argument<'a>],
}

impl<'a> Request<'a> {
    /// A launch with no dynamic threadgroup memory and stacks of 128 KiB.
    pub fn new(seed: u64, grid: [u32; 3], group: [u32; 3], arguments: &'a [Argument<'a>]) -> Self {
        Request { seed, grid, group, dynamic_threadgroup_bytes: 0, stack_bytes: 128 << 10, arguments }
    }

    /// As `launch.h` reads it, little endian.
    fn encode(&self) -> Vec<u8> {
        let data: usize = self.arguments.iter().map(|a| a.contents.len() + 80).sum();
        let mut bytes = Vec::with_capacity(data + 64);
        bytes.extend(0x3145_5754_u32.to_le_bytes());
        bytes.extend(self.seed.to_le_bytes());
        for number in self.grid.iter().chain(&self.group) {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.dynamic_threadgroup_bytes.to_le_bytes());
        bytes.extend(self.stack_bytes.to_le_bytes());
        bytes.extend((self.arguments.len() as u32).to_le_bytes());
        for argument in self.arguments {
            let given = matches!(argument.contents, Contents::Given(_));
            let flags = [given, argument.returned, argument.read_only, argument.fully_written];
            let flags = flags.iter().rev().fold(0u32, |bits, &flag| bits << 1 | u32::from(flag));
            let flags = flags | u32::from(argument.misalignment % 16) << 8;
            bytes.extend(flags.to_le_bytes());
            bytes.extend((argument.contents.len() as u64).to_le_bytes());
            let mut name = [0u8; 64];
            let length = argument.name.len().min(63);
            name[..length].copy_from_slice(&argument.name.as_bytes()[..length]);
            bytes.extend(name);
            if let Contents::Given(data) = argument.contents {
                bytes.extend(data);
            }
        }
        bytes
    }
}

/// What was found wrong with a kernel in a run of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Some threads wait at a barrier that others do not reach.
    BarrierDivergence,
    /// Two threads touch the same memory, one of them writing, with nothing that orders them.
    Race,
    /// A read of threadgroup memory or of an output that nothing wrote.
    Uninitialised,
    /// An access outside of a buffer or an array.
    OutOfBounds,
    /// An access to an address that is in no memory.
    BadAddress,
    /// A write to an input.
    ReadOnly,
    /// A thread's frames are larger than its stack.
    StackOverflow,
    /// The variables in threadgroup memory take more than a GPU has.
    ThreadgroupMemory,
    /// An output of which a part was never written.
    Unwritten,
    /// An operation without a defined result: a shift by the width, a division by zero, a misaligned vector.
    Undefined,
    /// The time limit passed.
    Hang,
    /// The process ended in some other way, or could not be run.
    Crash,
}

impl FaultKind {
    fn from_report(name: &str) -> FaultKind {
        match name {
            "barrier-divergence" => FaultKind::BarrierDivergence,
            "race" => FaultKind::Race,
            "uninitialised" => FaultKind::Uninitialised,
            "out-of-bounds" => FaultKind::OutOfBounds,
            "bad-address" => FaultKind::BadAddress,
            "read-only" => FaultKind::ReadOnly,
            "stack-overflow" => FaultKind::StackOverflow,
            "threadgroup-memory" => FaultKind::ThreadgroupMemory,
            "unwritten" => FaultKind::Unwritten,
            _ => FaultKind::Crash,
        }
    }
}

/// A run that found a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// What happened, with the line of the kernel's source as `name:line`.
    pub message: String,
    /// All that the process said.
    pub report: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Runs one launch of a built kernel; the contents of the returned buffers in their order.
///
/// # Errors
///
/// The first fault that the run finds. A run of more than `timeout` is killed.
pub fn run(executable: &Path, request: &Request<'_>, timeout: Duration) -> Result<Vec<Vec<u8>>, Fault> {
    let crash = |message: String| Fault { kind: FaultKind::Crash, message, report: String::new() };
    let mut command = Command::new(executable);
    command
        .env("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=0:color=never:symbolize=1")
        .env("UBSAN_OPTIONS", "print_stacktrace=1:color=never")
        .env_remove("LD_PRELOAD")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    fix_addresses(&mut command);
    let child = command.spawn().map_err(|e| crash(format!("cannot run {}: {e}", executable.display())))?;
    let output = converse(child, &request.encode(), Some(timeout)).map_err(|e| crash(e.to_string()))?;
    let Some(output) = output else {
        let message = format!("the kernel did not end within {} s", timeout.as_secs_f32());
        return Err(Fault { kind: FaultKind::Hang, message, report: String::new() });
    };
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let (kind, message) = diagnose(&report, output.status);
        return Err(Fault { kind, message, report });
    }
    let mut rest = output.stdout.as_slice();
    let mut answer = Vec::new();
    for argument in request.arguments.iter().filter(|a| a.returned) {
        let Some((contents, after)) = rest.split_at_checked(argument.contents.len()) else {
            return Err(Fault { report, ..crash(format!("the answer ends within `{}`", argument.name)) });
        };
        answer.push(contents.to_vec());
        rest = after;
    }
    Ok(answer)
}

/// Asks the system to lay out the process at fixed addresses: with very random ones some sanitizers do not start.
#[cfg(target_os = "linux")]
fn fix_addresses(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    unsafe extern "C" {
        fn personality(persona: std::ffi::c_ulong) -> std::ffi::c_int;
    }
    const ADDR_NO_RANDOMIZE: std::ffi::c_ulong = 0x0004_0000;
    // SAFETY: between fork and exec only this one system call is made, which touches no memory. Where it is not
    // permitted it changes nothing, and the process starts as it would have.
    unsafe {
        command.pre_exec(|| {
            personality(ADDR_NO_RANDOMIZE);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn fix_addresses(_: &mut Command) {}

/// Gives `input` to a process and takes all that it says; None if it was killed at the time limit.
fn converse(mut child: Child, input: &[u8], timeout: Option<Duration>) -> std::io::Result<Option<Output>> {
    let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("all three are piped")
    };
    let started = Instant::now();
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        // A process that fails may leave its input unread: what it says then is what counts.
        scope.spawn(move || drop(stdin.write_all(input)));
        let out_ended = ended.clone();
        let out = scope.spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.read_to_end(&mut bytes);
            let _ = out_ended.send(());
            read.map(|_| bytes)
        });
        let err = scope.spawn(move || {
            let mut bytes = Vec::new();
            let read = stderr.read_to_end(&mut bytes);
            let _ = ended.send(());
            read.map(|_| bytes)
        });
        let mut in_time = true;
        for _ in 0..2 {
            let left = timeout.map(|t| t.saturating_sub(started.elapsed()));
            in_time &= left.map_or_else(|| end.recv().is_ok(), |left| end.recv_timeout(left).is_ok());
        }
        if !in_time {
            child.kill()?;
        }
        let status = child.wait()?;
        let panicked = |_| std::io::Error::other("reading from the process failed");
        let (stdout, stderr) = (out.join().map_err(panicked)??, err.join().map_err(panicked)??);
        Ok(in_time.then_some(Output { status, stdout, stderr }))
    })
}

/// Kind and message of a failed run.
fn diagnose(report: &str, status: ExitStatus) -> (FaultKind, String) {
    let own = report.lines().rev().find_map(|line| line.strip_prefix("tilewright: "));
    if let Some((kind, message)) = own.and_then(|line| line.split_once(": ")) {
        return (FaultKind::from_report(kind), message.to_owned());
    }
    if let Some((place, what)) = report.lines().find_map(|line| line.split_once(": runtime error: ")) {
        // `file:line:column`; in a header of ours the author's line is further out.
        let line = if place.starts_with(OURS) {
            author_frame(report).unwrap_or(place)
        } else {
            place.rsplit_once(':').map_or(place, |(line, _)| line)
        };
        return (FaultKind::Undefined, format!("{what} at {line}"));
    }
    let why = report.lines().next_back().unwrap_or("nothing was said");
    (FaultKind::Crash, format!("the process ended with {status}: {why}"))
}

/// What the file names of the emulator's own headers start with.
const OURS: &str = "tilewright:";

/// `file:line` of the first frame of a sanitizer's stack trace that is the author's.
fn author_frame(report: &str) -> Option<&str> {
    let frames = report.lines().filter(|line| line.trim_start().starts_with('#'));
    frames.filter_map(|line| line.rsplit([' ', '/']).next()).find(|place| {
        let mut parts = place.split(':');
        !place.starts_with(OURS)
            && parts.next().is_some()
            && parts.next().is_some_and(|n| n.parse::<u32>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_by_name() {
        for (name, expected) in
            [("no-such-compiler-c++", "No such file"), ("false", "--version"), (" ", "blank")]
        {
            let why = Toolchain::named(name.as_ref()).expect_err(name);
            assert!(why.contains(expected), "{name}: {why}");
        }
        let with_arguments = Toolchain::named("env c++".as_ref()).expect("a C++ compiler");
        assert_eq!(with_arguments.command, ["env", "c++"]);
        assert!(!with_arguments.version().is_empty());
        let error = NoToolchain { tried: vec!["c++: absent".into(), "g++: absent".into()] };
        assert!(
            error.to_string().contains("TILEWRIGHT_CXX")
                && error.to_string().contains("c++: absent; g++: absent")
        );
    }

    #[test]
    fn reports_are_read() {
        let status = Command::new("false").status().expect("runs");
        let read = |report: &str| diagnose(report, status);
        assert_eq!(
            read("noise\ntilewright: race: read by a: and b\n"),
            (FaultKind::Race, "read by a: and b".to_owned())
        );
        assert_eq!(
            read("k:8:16: runtime error: shift exponent 32 is too large\n    #0 0x1 in k /tmp/k:8\n"),
            (FaultKind::Undefined, "shift exponent 32 is too large at k:8".to_owned())
        );
        let inner = "tilewright:vectors.h:9:1: runtime error: division by zero\n    #0 0x1 in operator/ /a b/tilewright:vectors.h:9:2\n    \
                     #1 0x2 in k(float*) /a b/soft_cap:7:3\n    #2 0x3 in main /a b/tilewright:launch.h:1:1\n";
        assert_eq!(read(inner), (FaultKind::Undefined, "division by zero at soft_cap:7:3".to_owned()));
        let (kind, message) = read("libasan.so: cannot open shared object file");
        assert_eq!(kind, FaultKind::Crash);
        assert!(message.contains("cannot open") && message.contains("exit status: 1"), "{message}");
    }

    #[test]
    fn what_cannot_be_run() {
        let request = Request::new(0, [1, 1, 1], [1, 1, 1], &[]);
        let fault =
            run(Path::new("/no/such/kernel"), &request, Duration::from_secs(1)).expect_err("is not there");
        assert_eq!(fault.kind, FaultKind::Crash);
        assert!(fault.message.contains("/no/such/kernel"), "{fault}");
    }
}
