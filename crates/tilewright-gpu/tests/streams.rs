//! Streams, events, captures and faults, from many threads, on every device that is there.

mod common;

use std::sync::Arc;

use tilewright_core::{DType, Device, Stream, Tensor};
use tilewright_gpu::{Capture, Definition, Grid, Present, Program};

fn add_one() -> Program {
    let definition =
        Definition::new("add_one", "uint i = thread_position_in_grid.x;\n x[i] += 1.0f;").in_place("x");
    Program::new(definition).unwrap()
}

fn launch(program: &Program, stream: &Stream, x: &mut Tensor) {
    let elements = x.elements();
    program.launch(stream).in_place("x", x).grid(Grid::threads([elements, 1, 1]), [64, 1, 1]).run().unwrap();
}

fn zeros(stream: &Stream, elements: usize) -> Tensor {
    Tensor::zeros(DType::F32, [elements]).unwrap().to(stream).unwrap()
}

#[test]
fn one_program_from_many_threads_each_with_a_stream_of_its_own() {
    let program = add_one();
    for device in common::streams().iter().map(Stream::device) {
        std::thread::scope(|scope| {
            for thread in 1..=8usize {
                let program = &program;
                scope.spawn(move || {
                    let stream = tilewright_gpu::stream(device).unwrap();
                    let mut x = zeros(&stream, 16 * thread);
                    (0..thread).for_each(|_| launch(program, &stream, &mut x));
                    stream.synchronize().unwrap();
                    assert_eq!(x.to_vec::<f32>().unwrap(), vec![thread as f32; 16 * thread], "{device}");
                });
            }
        });
    }
}

#[test]
fn one_stream_from_many_threads() {
    let program = add_one();
    for stream in common::streams() {
        let results: Vec<Vec<f32>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let (program, stream) = (&program, &stream);
                    scope.spawn(move || {
                        let mut x = zeros(stream, 100);
                        launch(program, stream, &mut x);
                        x.to_vec::<f32>().unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(results.iter().flatten().all(|&value| value == 1.0), "{}", stream.device());
    }
}

#[test]
fn work_waits_for_an_event_of_another_stream_and_tensors_cross() {
    let program = add_one();
    for first in common::streams() {
        let second = tilewright_gpu::stream(first.device()).unwrap();
        let mut x = zeros(&first, 1 << 16);
        for _ in 0..10 {
            launch(&program, &first, &mut x);
            second.wait(&first.record().unwrap()).unwrap();
            launch(&program, &second, &mut x);
            first.wait(&second.record().unwrap()).unwrap();
        }
        let event = second.record().unwrap();
        event.synchronize().unwrap();
        assert!(event.is_complete().unwrap());
        assert!(x.to_vec::<f32>().unwrap().iter().all(|&value| value == 20.0), "{}", first.device());
    }
}

#[test]
fn memory_that_another_stream_used_is_freed_after_its_use() {
    let program = add_one();
    for first in common::streams() {
        let second = tilewright_gpu::stream(first.device()).unwrap();
        let kept: Vec<Tensor> = (0..20)
            .map(|_| {
                // Dropped while `second` may still read it; the next allocation of `first` may take the memory over.
                let mut x = zeros(&first, 4096);
                launch(&program, &second, &mut x);
                let copy = x.reshape([64, 64]).unwrap().transpose().unwrap();
                copy.to(&second).unwrap()
            })
            .collect();
        for x in kept {
            assert!(x.to_vec::<f32>().unwrap().iter().all(|&value| value == 1.0), "{}", first.device());
        }
    }
}

#[test]
fn events_tell_time_in_order() {
    let program = add_one();
    for stream in common::streams() {
        let mut x = zeros(&stream, 1024);
        let begin = stream.record().unwrap();
        launch(&program, &stream, &mut x);
        let end = stream.record().unwrap();
        end.synchronize().unwrap();
        if let Some(time) = end.milliseconds_since(&begin).unwrap() {
            assert!((0.0..60_000.0).contains(&time), "{time} on {}", stream.device());
        }
    }
}

#[test]
fn a_capture_replays_what_was_launched_and_keeps_its_memory() {
    let program = add_one();
    for stream in common::streams() {
        let mut x = zeros(&stream, 300);
        launch(&program, &stream, &mut x); // compiled before: a capture records launches, not compilations
        let (capture, scratch) = Capture::record(&stream, || {
            (0..5).for_each(|_| launch(&program, &stream, &mut x));
            Tensor::empty(&stream, DType::F32, [7])
        })
        .unwrap();
        assert_eq!(scratch.dims(), [7]);
        assert_eq!(
            x.to_vec::<f32>().unwrap(),
            vec![1.0; 300],
            "recording runs nothing on {}",
            stream.device()
        );
        let other = tilewright_gpu::stream(stream.device()).unwrap();
        capture.replay(&stream).unwrap();
        stream.synchronize().unwrap();
        capture.replay(&other).unwrap();
        other.synchronize().unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), vec![11.0; 300], "{}", stream.device());
        drop(capture);
        assert_eq!(x.to_vec::<f32>().unwrap()[0], 11.0);
    }
}

#[test]
fn a_faulting_kernel_surfaces_at_the_next_synchronise_with_its_name() {
    let body = "y[thread_position_in_grid.x] = x[thread_position_in_grid.x + offset];";
    let definition =
        Definition::new("reads_far_away", body).input("x").scalar("offset", DType::U32).output("y");
    let program = Program::new(definition).unwrap();
    // On the emulator: a CUDA fault takes the whole context of the process with it, so that test is a program of its own.
    let stream = tilewright_gpu::stream(Device::Emulated).unwrap();
    let x = zeros(&stream, 32);
    let launch =
        program.launch(&stream).input("x", &x).scalar("offset", 1000u32).output("y", DType::F32, [32]);
    let y =
        launch.grid(Grid::threads([32, 1, 1]), [32, 1, 1]).run_one().expect("the launch itself is in order");
    let error = stream.synchronize().unwrap_err().to_string();
    assert!(error.contains("reads_far_away") && error.contains("emulated"), "{error}");
    assert!(y.to_vec::<f32>().unwrap_err().to_string().contains("reads_far_away"));
    // The process and the stream go on.
    stream.synchronize().unwrap();
    let mut z = zeros(&stream, 32);
    self::launch(&add_one(), &stream, &mut z);
    assert_eq!(z.to_vec::<f32>().unwrap(), [1.0; 32]);
}

fn read_far_away(stream: &Stream) -> tilewright_core::Result<Tensor> {
    let body = "y[thread_position_in_grid.x] = x[thread_position_in_grid.x + (offset << 24)];";
    let definition =
        Definition::new("reads_far_away", body).input("x").scalar("offset", DType::U64).output("y");
    let program = Program::new(definition)?;
    let x = zeros(stream, 32);
    let launch =
        program.launch(stream).input("x", &x).scalar("offset", 1u64 << 20).output("y", DType::F32, [32]);
    launch.grid(Grid::threads([32, 1, 1]), [32, 1, 1]).run_one()
}

const CHILD: &str = "TILEWRIGHT_TEST_CUDA_FAULT";

/// Not a test of its own: a fault takes the whole CUDA context of its process with it, so it has a process of its own.
#[test]
fn child_with_a_cuda_fault() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let stream = tilewright_gpu::stream(Device::Cuda(0)).unwrap();
    let y = read_far_away(&stream).expect("the launch itself is in order");
    let error = stream.synchronize().unwrap_err().to_string();
    assert!(error.contains("reads_far_away") && error.contains("cuda:0"), "{error}");
    assert!(y.to_vec::<f32>().is_err());
    drop(y);
    assert!(stream.synchronize().is_err(), "the context stays lost, and says so");
}

#[test]
fn a_cuda_fault_is_an_error_with_the_name_and_not_an_abort() {
    let present = match Device::cuda(0) {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is_unsupported(), "{error}");
            false
        }
    };
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_with_a_cuda_fault", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.success(), present, "{said}");
    assert!(present || said.contains("Unsupported"), "{said}");
}

#[test]
fn programs_of_one_name_and_different_bodies_are_different() {
    for stream in common::streams() {
        let results: Vec<f32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|value| {
                    let stream = &stream;
                    scope.spawn(move || {
                        let body = format!("y[thread_position_in_grid.x] = {value}.5;");
                        let program = Program::new(Definition::new("same_name", body).output("y")).unwrap();
                        let launch = program.launch(stream).output("y", DType::F32, [1]);
                        launch
                            .grid(Grid::threads([1, 1, 1]), [1, 1, 1])
                            .run_one()
                            .unwrap()
                            .to_vec::<f32>()
                            .unwrap()[0]
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(results, [0.5, 1.5, 2.5, 3.5], "{}", stream.device());
    }
}

#[test]
fn handles_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Program>();
    check::<Capture>();
    check::<Arc<Stream>>();
}
