//! What only this back end promises; what every device promises is tested on each that is present by the crate's own tests.

use tilewright_core::{DType, Device, Stream, Tensor, f16};

use super::count;
use crate::{Definition, Grid, Program, stream};

/// Two streams of the first device, or none on a machine without one.
fn streams() -> Option<[Stream; 2]> {
    (count() > 0).then(|| [(); 2].map(|()| stream(Device::Metal(0)).unwrap()))
}

fn add_one() -> Program {
    let body = "uint i = thread_position_in_grid.x;\n x[i] += 1.0f;";
    Program::new(Definition::new("add_one", body).in_place("x")).unwrap()
}

fn zeros(stream: &Stream, elements: usize) -> Tensor {
    Tensor::zeros(DType::F32, [elements]).unwrap().to(stream).unwrap()
}

fn launch(program: &Program, stream: &Stream, x: &mut Tensor) {
    let grid = Grid::threads([x.elements(), 1, 1]);
    program.launch(stream).in_place("x", x).grid(grid, [256, 1, 1]).run().unwrap();
}

#[test]
fn without_events_readers_see_writes_and_writers_wait_for_readers() {
    let Some([first, second]) = streams() else { return };
    let add_one = add_one();
    let body = "uint i = thread_position_in_grid.x;\n y[i] = x[i];";
    let copy = Program::new(Definition::new("copy", body).input("x").output_like("y", "x")).unwrap();
    let elements = 1 << 20;
    let mut x = zeros(&first, elements);
    for round in 0..10 {
        (0..20).for_each(|_| launch(&add_one, &first, &mut x));
        let grid = Grid::threads([elements, 1, 1]);
        let y = copy.launch(&second).input("x", &x).grid(grid, [256, 1, 1]).run_one().unwrap();
        (0..5).for_each(|_| launch(&add_one, &first, &mut x));
        let expected = (25 * round + 20) as f32;
        assert!(y.to_vec::<f32>().unwrap().iter().all(|&value| value == expected), "round {round}");
    }
    assert!(x.to_vec::<f32>().unwrap().iter().all(|&value| value == 250.0));
}

#[test]
fn a_dropped_stream_has_run_what_was_launched() {
    let Some([first, second]) = streams() else { return };
    let add_one = add_one();
    let mut x = zeros(&second, 100);
    (0..50).for_each(|_| launch(&add_one, &first, &mut x));
    drop(first);
    assert_eq!(x.to_vec::<f32>().unwrap(), [50.0; 100]);
}

#[test]
fn patterns_of_every_size_fill() {
    let Some([stream, _]) = streams() else { return };
    let nothing = Program::new(Definition::new("nothing", "y[0] = y[0];").output("y")).unwrap();
    let filled = |dtype| {
        let launch = nothing.launch(&stream).output("y", dtype, [7]).initial_value(3.0);
        launch.grid(Grid::threads([0, 1, 1]), [1, 1, 1]).run_one().unwrap()
    };
    assert_eq!(filled(DType::U8).to_vec::<u8>().unwrap(), [3; 7]);
    assert_eq!(filled(DType::F16).to_vec::<f16>().unwrap(), [f16::from_f32(3.0); 7]);
    assert_eq!(filled(DType::F32).to_vec::<f32>().unwrap(), [3.0; 7]);
    assert_eq!(filled(DType::I64).to_vec::<i64>().unwrap(), [3; 7]);
}

#[test]
fn launches_with_and_without_dynamic_memory_share_a_batch() {
    let Some([stream, _]) = streams() else { return };
    let body = "uint i = thread_position_in_grid.x;\n scratch[i] = x[i];\n\
                threadgroup_barrier(mem_flags::mem_threadgroup); // each reads what its neighbour wrote\n\
                x[i] = scratch[i ^ 1] + 1.0f;";
    let definition =
        Definition::new("by_scratch", body).in_place("x").threadgroup_memory("scratch", DType::F32);
    let (by_scratch, add_one) = (Program::new(definition).unwrap(), add_one());
    let mut x = zeros(&stream, 6);
    for round in 0..40 {
        if round % 3 == 0 {
            let launch = by_scratch.launch(&stream).in_place("x", &mut x).threadgroup_bytes(24);
            launch.grid(Grid::threads([6, 1, 1]), [6, 1, 1]).run().unwrap();
        } else {
            launch(&add_one, &stream, &mut x);
        }
    }
    assert_eq!(x.to_vec::<f32>().unwrap(), [40.0; 6]);
}

#[test]
fn events_tell_the_time_of_the_work_between_them() {
    let Some([stream, _]) = streams() else { return };
    let add_one = add_one();
    let mut x = zeros(&stream, 1 << 20);
    launch(&add_one, &stream, &mut x);
    stream.synchronize().unwrap();
    // The stream is idle: what passes here is no part of any work.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let clock = std::time::Instant::now();
    let begin = stream.record().unwrap();
    (0..20).for_each(|_| launch(&add_one, &stream, &mut x));
    let end = stream.record().unwrap();
    end.synchronize().unwrap();
    let wall = clock.elapsed().as_secs_f64() * 1e3;
    let time = end.milliseconds_since(&begin).unwrap().expect("Metal has a timer");
    assert!(0.0 < time && time <= wall, "{time} ms of {wall} ms");
    assert_eq!(begin.milliseconds_since(&end).unwrap(), Some(0.0));
}
