//! What the records of all commands have in common.

use tilewright_check::{Origin, Row};
use tilewright_core::{Device, Result};

/// Where and when this is, on a machine of the name that was asked for.
pub(crate) fn origin(host: Option<&String>) -> Origin {
    let mut origin = Origin::here();
    if let Some(host) = host {
        origin.host.clone_from(host);
    }
    origin
}

/// A row about nothing yet, measured there on `device`.
pub(crate) fn blank(origin: &Origin, device: Device) -> Result<Row> {
    let driver = match device {
        Device::Cpu => origin.processor.clone(),
        device => {
            let caps = tilewright_gpu::caps(device)?;
            format!("{}, driver {}", caps.name, caps.driver)
        }
    };
    Ok(Row::blank(origin, device, driver))
}
