//! Order of work.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::{AlignedBytes, Device, Result};

/// A queue of work on one device: in order within, independent of other streams.
///
/// Cheap to clone; every clone is the same queue. May be used from any thread. On the CPU work is done when the call
/// returns; on a GPU it has been submitted, and [`Stream::synchronize`] waits for all that was submitted to this stream.
/// An error of asynchronous work surfaces there and names the kernel.
#[derive(Clone)]
pub struct Stream(Arc<dyn StreamDriver>);

/// What a back end provides for a stream.
pub trait StreamDriver: Any + Send + Sync {
    /// The device.
    fn device(&self) -> Device;
    /// Memory without contents (poisoned where [`crate::poison_new_memory`] is on).
    fn allocate(&self, bytes: usize) -> Result<Arc<dyn Buffer>>;
    /// Memory with the contents of `bytes`, which may be reused when this returns.
    fn upload(&self, bytes: &[u8]) -> Result<Arc<dyn Buffer>>;
    /// Waits for all that was submitted to this stream, and reports its first error.
    fn synchronize(&self) -> Result<()>;
    /// Marks the present end of the queue.
    fn record(&self) -> Result<Event>;
    /// Makes what is submitted from now on wait for `event`, which may belong to another stream of the same kind.
    fn wait(&self, event: &Event) -> Result<()>;
    /// Forgets how much of its memory the device has had in use at most, and gives what is in use now, in bytes; `None` where the back end does not count.
    fn forget_peak_memory(&self) -> Result<Option<usize>> {
        Ok(None)
    }
    /// How much of its memory the device has had in use at most since it last forgot, in bytes; `None` where the back end does not count.
    fn peak_memory(&self) -> Result<Option<usize>> {
        Ok(None)
    }
    /// For a back end to recognise its own.
    fn as_any(&self) -> &dyn Any;
}

impl Stream {
    /// The host's queue: work is done when the call that asks for it returns.
    pub fn cpu() -> Self {
        Self(Arc::new(Host))
    }

    /// Wraps a back end's stream.
    pub fn from_driver(driver: Arc<dyn StreamDriver>) -> Self {
        Self(driver)
    }

    /// The back end's stream.
    pub fn driver(&self) -> &dyn StreamDriver {
        &*self.0
    }

    /// The device that this stream submits to.
    pub fn device(&self) -> Device {
        self.0.device()
    }

    /// Waits for all that was submitted to this stream, and reports its first error, with the kernel's name.
    pub fn synchronize(&self) -> Result<()> {
        self.0.synchronize()
    }

    /// Marks the present end of the queue.
    pub fn record(&self) -> Result<Event> {
        self.0.record()
    }

    /// Makes what is submitted from now on wait for `event`.
    pub fn wait(&self, event: &Event) -> Result<()> {
        self.0.wait(event)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({})", self.device())
    }
}

/// A point in a stream. Cheap to clone.
#[derive(Clone)]
pub struct Event(Arc<dyn EventDriver>);

/// What a back end provides for an event.
pub trait EventDriver: Any + Send + Sync {
    /// Waits until the work before the event is done.
    fn synchronize(&self) -> Result<()>;
    /// Whether the work before the event is done.
    fn is_complete(&self) -> Result<bool>;
    /// Milliseconds of device time from `earlier` to this event, both complete; `None` where the device has no such timer.
    fn milliseconds_since(&self, earlier: &Event) -> Result<Option<f64>>;
    /// For a back end to recognise its own.
    fn as_any(&self) -> &dyn Any;
}

impl Event {
    /// Wraps a back end's event.
    pub fn from_driver(driver: Arc<dyn EventDriver>) -> Self {
        Self(driver)
    }

    /// The back end's event.
    pub fn driver(&self) -> &dyn EventDriver {
        &*self.0
    }

    /// Waits until the work before the event is done.
    pub fn synchronize(&self) -> Result<()> {
        self.0.synchronize()
    }

    /// Whether the work before the event is done.
    pub fn is_complete(&self) -> Result<bool> {
        self.0.is_complete()
    }

    /// Milliseconds of device time from `earlier` to this event; `None` where the device has no such timer.
    pub fn milliseconds_since(&self, earlier: &Event) -> Result<Option<f64>> {
        self.0.milliseconds_since(earlier)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event")
    }
}

struct Host;

impl StreamDriver for Host {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn allocate(&self, bytes: usize) -> Result<Arc<dyn Buffer>> {
        Ok(Arc::new(AlignedBytes::fresh(bytes)?))
    }
    fn upload(&self, bytes: &[u8]) -> Result<Arc<dyn Buffer>> {
        Ok(Arc::new(AlignedBytes::copy_of(bytes)?))
    }
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
    fn record(&self) -> Result<Event> {
        Ok(Event::from_driver(Arc::new(Instant(std::time::Instant::now()))))
    }
    fn wait(&self, event: &Event) -> Result<()> {
        event.synchronize()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Instant(std::time::Instant);

impl EventDriver for Instant {
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
    fn is_complete(&self) -> Result<bool> {
        Ok(true)
    }
    fn milliseconds_since(&self, earlier: &Event) -> Result<Option<f64>> {
        let earlier = earlier.driver().as_any().downcast_ref::<Instant>();
        Ok(earlier.map(|earlier| self.0.saturating_duration_since(earlier.0).as_secs_f64() * 1e3))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
