//! The dialect's hazards, on every device that is there.

mod common;
#[path = "dialect/mod.rs"]
mod hazards;

use hazards::Hazard;
use tilewright_core::{Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

fn run(hazard: &Hazard, stream: &Stream) -> Result<Vec<Tensor>> {
    let mut definition = Definition::new(hazard.name, hazard.body).header(hazard.header);
    if hazard.template.is_some() {
        definition = definition.template("T");
    }
    for input in &hazard.inputs {
        definition = definition.input(input.name);
    }
    for output in &hazard.outputs {
        definition = definition.output(output.name);
    }
    if hazard.atomic {
        definition = definition.atomic_outputs();
    }
    let program = Program::new(definition.any_strides())?;
    let mut tensors = Vec::new();
    for input in &hazard.inputs {
        let tensor = Tensor::from_f64(&input.values, input.dtype, input.shape.as_slice())?.to(stream)?;
        tensors.push(if input.axes.is_empty() { tensor } else { tensor.permute(input.axes)? });
    }
    let mut launch = program.launch(stream).grid(Grid::threads(hazard.threads), hazard.group);
    if let Some(dtype) = hazard.template {
        launch = launch.template("T", dtype);
    }
    for (input, tensor) in hazard.inputs.iter().zip(&tensors) {
        launch = launch.input(input.name, tensor);
    }
    for output in &hazard.outputs {
        launch = launch.output(output.name, output.dtype, [output.expected.len()]);
    }
    if let Some(value) = hazard.initial {
        launch = launch.initial_value(value);
    }
    launch.run()
}

/// What is wrong with the answer, at most a few elements of each output.
fn faults(hazard: &Hazard, answer: &[Tensor]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for (output, tensor) in hazard.outputs.iter().zip(answer) {
        let got = tensor.to_f64_vec()?;
        assert_eq!(got.len(), output.expected.len(), "{}: {}", hazard.name, output.name);
        let wrong = got.iter().zip(&output.expected).enumerate().filter(|(_, (got, expected))| {
            let same = got == expected || (got.is_nan() && expected.is_nan());
            !same && !((*got - *expected).abs() <= hazard.tolerance * expected.abs().max(1.0))
        });
        let wrong: Vec<_> = wrong.collect();
        for (index, (got, expected)) in wrong.iter().take(5) {
            faults.push(format!("{}: {}[{index}] is {got}, not {expected} ({} wrong)", hazard.name, output.name, wrong.len()));
        }
    }
    Ok(faults)
}

#[test]
fn every_hazard_is_answered_right() {
    for stream in common::streams() {
        let mut wrong = Vec::new();
        for hazard in hazards::hazards() {
            match run(&hazard, &stream).and_then(|answer| faults(&hazard, &answer)) {
                Ok(faults) => wrong.extend(faults),
                Err(error) => wrong.push(format!("{}: {error}", hazard.name)),
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", stream.device(), wrong.join("\n"));
    }
}
