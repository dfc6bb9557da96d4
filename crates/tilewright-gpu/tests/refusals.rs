//! Wrong use is told before anything runs, and names the argument.

mod common;

use tilewright_core::{DType, Device, Error, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Present, Program};

fn tensor(stream: &Stream, dtype: DType, shape: &[usize]) -> Tensor {
    Tensor::zeros(dtype, shape).unwrap().to(stream).unwrap()
}

fn axpy() -> Program {
    let body = "uint i = thread_position_in_grid.x;\n y[i] = a * x[i];";
    Program::new(Definition::new("axpy", body).input("x").scalar("a", DType::F32).output_like("y", "x"))
        .unwrap()
}

#[test]
fn launches() {
    let program = axpy();
    let grid = Grid::threads([4, 1, 1]);
    for stream in common::streams() {
        let x = tensor(&stream, DType::F32, &[4]);
        let host = Tensor::zeros(DType::F32, [4]).unwrap();
        let valid = || program.launch(&stream).input("x", &x).scalar("a", 1.0f32).grid(grid, [4, 1, 1]);
        assert!(valid().run().is_ok());
        let fails = |launch: Launch<'_>| launch.run().unwrap_err();
        let table: Vec<(&str, Error)> = vec![
            ("axpy: z is unknown, expected the name of an input", fails(valid().input("z", &x))),
            ("axpy: b is unknown, expected the name of a scalar", fails(valid().scalar("b", 1.0f32))),
            (
                "axpy: T is unknown, expected the name of a template argument",
                fails(valid().template("T", 1i32)),
            ),
            ("axpy: a has dtype f64, expected f32", fails(valid().scalar("a", 1.0f64))),
            ("axpy: x: lies on cpu", fails(valid().input("x", &host))),
            ("axpy: group is [0, 1, 1]", fails(valid().grid(grid, [0, 1, 1]))),
            ("axpy: group is [4096, 1, 1]", fails(valid().grid(Grid::groups([1, 1, 1]), [4096, 1, 1]))),
            ("axpy: grid is", fails(valid().grid(Grid::groups([usize::MAX, 1, 1]), [32, 1, 1]))),
            ("axpy: threadgroup_bytes is 64", fails(valid().threadgroup_bytes(64))),
            ("axpy: x is nothing", fails(program.launch(&stream).scalar("a", 1.0f32).grid(grid, [4, 1, 1]))),
            ("axpy: a is nothing", fails(program.launch(&stream).input("x", &x).grid(grid, [4, 1, 1]))),
            ("axpy: grid is nothing", fails(program.launch(&stream).input("x", &x).scalar("a", 1.0f32))),
        ];
        for (part, error) in table {
            assert!(error.to_string().starts_with(part), "{error}");
        }
    }
}

#[test]
fn in_place_buffers_that_others_share() {
    let definition = Definition::new("double_it", "x[thread_position_in_grid.x] *= 2.0f;").in_place("x");
    let program = Program::new(definition).unwrap();
    for stream in common::streams() {
        let mut x = tensor(&stream, DType::F32, &[4, 4]);
        let view = x.slice(0, 1..3).unwrap();
        let launch = |x: &mut Tensor| {
            program.launch(&stream).in_place("x", x).grid(Grid::threads([16, 1, 1]), [16, 1, 1]).run()
        };
        let error = launch(&mut x).unwrap_err().to_string();
        assert!(error.contains("x: is written, but its memory is shared"), "{error}");
        drop(view);
        launch(&mut x).unwrap();
        let mut transposed = x.slice(1, 0..2).unwrap();
        drop(x);
        let error = launch(&mut transposed).unwrap_err().to_string();
        assert!(error.contains("x: is written, so it must be row-major"), "{error}");
    }
}

#[test]
fn bodies_that_do_not_compile_show_the_log_with_the_authors_line() {
    let body = "uint i = thread_position_in_grid.x;\n\n y[i] = undeclared_thing;";
    let program = Program::new(Definition::new("broken", body).output("y")).unwrap();
    for stream in common::streams() {
        for _ in 0..2 {
            let launch = program.launch(&stream).output("y", DType::F32, [1]);
            let error = launch.grid(Grid::threads([1, 1, 1]), [1, 1, 1]).run().unwrap_err().to_string();
            assert!(
                error.starts_with("broken: does not compile") && error.contains("undeclared_thing"),
                "{error}"
            );
            assert!(error.contains("broken:3") || error.contains("broken(3)"), "{error}");
        }
    }
}

#[test]
fn what_the_dialect_refuses_it_names() {
    for (body, part) in [
        ("texture2d<float> t;\n y[0] = 1;", "texture2d"),
        ("y[0] = 1; mpp::tensor_ops::matmul2d_descriptor d;", "mpp"),
    ] {
        let program = Program::new(Definition::new("refused", body).output("y")).unwrap();
        for stream in
            common::streams().into_iter().filter(|stream| !matches!(stream.device(), Device::Metal(_)))
        {
            let launch = program.launch(&stream).output("y", DType::F32, [1]);
            let error = launch.grid(Grid::threads([1, 1, 1]), [1, 1, 1]).run().unwrap_err();
            assert!(error.is_unsupported() && error.to_string().contains(part), "{error}");
        }
    }
}

#[test]
fn dtypes_that_a_device_lacks() {
    let program = axpy();
    let stream = tilewright_gpu::stream(Device::Emulated).unwrap();
    let x = tensor(&stream, DType::F64, &[4]);
    let launch =
        program.launch(&stream).input("x", &x).scalar("a", 1.0f32).grid(Grid::threads([4, 1, 1]), [4, 1, 1]);
    let error = launch.run().unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("x is f64"), "{error}");

    let body = "atomic_fetch_add_explicit(&y[0], 1.0f, memory_order_relaxed);";
    let program = Program::new(Definition::new("atomic_half", body).output("y").atomic_outputs()).unwrap();
    let launch =
        program.launch(&stream).output("y", DType::F16, [1]).grid(Grid::threads([1, 1, 1]), [1, 1, 1]);
    let error = launch.run().unwrap_err().to_string();
    assert!(error.contains("y has dtype f16, expected f32, i32, u32"), "{error}");
}

#[test]
fn absent_devices_say_what_was_looked_for() {
    for (device, part) in [(Device::Cuda(4000), "cuda:4000"), (Device::Metal(4000), "metal:4000")] {
        let error = tilewright_gpu::stream(device).unwrap_err();
        assert!(error.is_unsupported() && error.to_string().contains(part), "{error}");
    }
    if let Err(error) = Device::cuda(0) {
        assert!(error.is_unsupported() && error.to_string().contains("CUDA"), "{error}");
    }
    let cpu = tilewright_gpu::stream(Device::Cpu).unwrap();
    let x = Tensor::zeros(DType::F32, [4]).unwrap();
    let program = axpy();
    let launch =
        program.launch(&cpu).input("x", &x).scalar("a", 1.0f32).grid(Grid::threads([4, 1, 1]), [4, 1, 1]);
    assert!(launch.run().unwrap_err().to_string().contains("the CPU has native paths"));
}

#[test]
fn empty_launches_run_nothing_and_huge_ones_are_refused() {
    let program = axpy();
    for stream in common::streams() {
        let x = tensor(&stream, DType::F32, &[0, 3]);
        let y = program
            .launch(&stream)
            .input("x", &x)
            .scalar("a", 1.0f32)
            .grid(Grid::threads([0, 1, 1]), [32, 1, 1]);
        assert!(y.run_one().unwrap().is_empty());
        let one = tensor(&stream, DType::F32, &[1]);
        let launch =
            program.launch(&stream).input("x", &one).scalar("a", 1.0f32).output("y", DType::F32, [1 << 61]);
        assert!(launch.run().unwrap_err().to_string().contains("elements"));
    }
}

#[test]
fn initial_values_fill_every_dtype() {
    let program = Program::new(Definition::new("keep", "if (y[0] == y[0]) { }").output("y")).unwrap();
    for stream in common::streams() {
        for dtype in DType::ALL
            .into_iter()
            .filter(|&dtype| dtype != DType::F64 || matches!(stream.device(), Device::Cuda(_)))
        {
            for (count, value) in [(5, 1.0), (1300, 1.0), (1300, 0.0)] {
                let launch = program.launch(&stream).output("y", dtype, [count]).initial_value(value);
                let y = launch.grid(Grid::threads([0, 1, 1]), [1, 1, 1]).run_one().unwrap();
                assert_eq!(y.to_f64_vec().unwrap(), vec![value; count], "{dtype} on {}", stream.device());
            }
        }
    }
}
