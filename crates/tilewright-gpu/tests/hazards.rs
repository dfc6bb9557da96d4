//! Every hazard of the dialect, on every device that is there; on the emulator under both kinds of checks and several schedules.

mod common;
mod dialect;

use std::sync::atomic::{AtomicUsize, Ordering};

use dialect::{Hazard, hazards};
use tilewright_core::{Device, Result, Stream, Tensor};
use tilewright_gpu::{
    Definition, EmulatorMode, EmulatorOptions, Grid, Program, emulator_options, set_emulator_options,
};

fn program(hazard: &Hazard) -> Program {
    let mut definition = Definition::new(hazard.name, hazard.body).header(hazard.header).any_strides();
    if hazard.template.is_some() {
        definition = definition.template("T");
    }
    if hazard.atomic {
        definition = definition.atomic_outputs();
    }
    definition = hazard.inputs.iter().fold(definition, |definition, input| definition.input(input.name));
    definition = hazard.outputs.iter().fold(definition, |definition, output| definition.output(output.name));
    Program::new(definition).unwrap()
}

fn run(hazard: &Hazard, program: &Program, stream: &Stream) -> Result<Vec<Tensor>> {
    let mut inputs = Vec::new();
    for input in &hazard.inputs {
        let tensor = Tensor::from_f64(&input.values, input.dtype, input.shape.as_slice())?.to(stream)?;
        inputs.push(if input.axes.is_empty() { tensor } else { tensor.permute(input.axes)? });
    }
    let mut launch = program.launch(stream).grid(Grid::threads(hazard.threads), hazard.group);
    if let Some(dtype) = hazard.template {
        launch = launch.template("T", dtype);
    }
    if let Some(value) = hazard.initial {
        launch = launch.initial_value(value);
    }
    for (input, tensor) in hazard.inputs.iter().zip(&inputs) {
        launch = launch.input(input.name, tensor);
    }
    for output in &hazard.outputs {
        launch = launch.output(output.name, output.dtype, [output.expected.len()]);
    }
    let outputs = launch.run()?;
    stream.synchronize()?;
    Ok(outputs)
}

/// What is wrong with the answer, if anything.
fn judge(hazard: &Hazard, stream: &Stream, program: &Program) -> Option<String> {
    let outputs = match run(hazard, program, stream) {
        Ok(outputs) => outputs,
        Err(error) => return Some(error.to_string()),
    };
    for (output, tensor) in hazard.outputs.iter().zip(outputs) {
        let got = match tensor.to_f64_vec() {
            Ok(got) => got,
            Err(error) => return Some(error.to_string()),
        };
        for (index, (&got, &expected)) in got.iter().zip(&output.expected).enumerate() {
            let right = match (got.is_nan(), expected.is_nan()) {
                (false, false) => {
                    got == expected || (got - expected).abs() <= hazard.tolerance * expected.abs().max(1.0)
                }
                (got, expected) => got == expected,
            };
            if !right {
                return Some(format!("{}[{index}] is {got}, not {expected}", output.name));
            }
        }
    }
    None
}

fn judge_all(stream: &Stream, programs: &[(Hazard, Program)], label: &str) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::<String>::new()));
    let on_metal = matches!(stream.device(), Device::Metal(_));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((hazard, program)) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let skipped = hazard.beyond_metal && on_metal;
                    // A stream of its own for each, since a fault belongs to the stream.
                    let own = tilewright_gpu::stream(stream.device()).unwrap();
                    if let Some(why) = (!skipped).then(|| judge(hazard, &own, program)).flatten() {
                        failures.lock().unwrap().push(format!("{} on {label}: {why}", hazard.name));
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

#[test]
fn every_hazard_is_answered() {
    let programs: Vec<_> =
        hazards().into_iter().map(|hazard| (program(&hazard), hazard)).map(|(p, h)| (h, p)).collect();
    assert!(programs.len() > 30, "{} hazards", programs.len());
    let mut failures: Vec<String> = Vec::new();
    for stream in common::streams() {
        if stream.device() != Device::Emulated {
            failures.extend(judge_all(&stream, &programs, &stream.device().to_string()));
            continue;
        }
        for (mode, seed) in [(EmulatorMode::Address, 1), (EmulatorMode::Address, 2), (EmulatorMode::Race, 3)]
        {
            set_emulator_options(EmulatorOptions { mode, seed, ..emulator_options() });
            failures.extend(judge_all(&stream, &programs, &format!("the emulator, {mode:?}, seed {seed}")));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
