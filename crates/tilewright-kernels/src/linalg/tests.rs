//! What holds for the whole family.

use tilewright_core::{Device, Result, Stream};

use crate::KERNELS;

/// Without matrices: a batch of none of them has results, all empty, and asks nothing of any device.
fn without_matrices(stream: &Stream) -> Result<usize> {
    let mut seen = 0;
    for kernel in KERNELS.iter().filter(|kernel| kernel.spec().family == "linalg") {
        let name = kernel.spec().name;
        for case in kernel.cases() {
            let batch = case.dims.iter().find(|(name, _)| *name == "b").map_or(0, |&(_, batch)| batch);
            if batch < 2 || kernel.support(stream.device(), &case).is_err() {
                continue;
            }
            let inputs = kernel.inputs(&case)?;
            if inputs.iter().any(|input| input.dims().first() != Some(&batch)) {
                continue;
            }
            let none =
                inputs.iter().map(|input| input.to(stream)?.slice(0, 0..0)).collect::<Result<Vec<_>>>()?;
            let outputs = kernel.run(stream, None, &case.args, &none);
            let outputs = outputs.unwrap_or_else(|error| panic!("{name} of {}: {error}", case.name));
            for output in outputs {
                // What has no axis is one number of all there is.
                let empty = output.dims().first().is_none_or(|&batch| batch == 0);
                assert!(empty, "{name} of {}: {}", case.name, output.shape());
            }
            seen += 1;
            break;
        }
    }
    Ok(seen)
}

#[test]
fn batches_without_matrices_have_results() {
    assert!(without_matrices(&Stream::cpu()).unwrap() > 20);
    let emulated = tilewright_gpu::stream(Device::Emulated).unwrap();
    assert!(without_matrices(&emulated).unwrap() > 15);
}
