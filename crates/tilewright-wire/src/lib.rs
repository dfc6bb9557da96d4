//! Tensors on the wire.
//!
//! - [`frame`]: a versioned, checked frame of named tensors, written without putting together and read without a copy.
//! - [`exo`]: exo's formats, byte for byte.
//! - [`service`]: nodes that hold a model together, by gRPC (feature `service`, on by default).
//!
//! ```
//! use tilewright_core::Tensor;
//! use tilewright_wire::{Frame, Item, Limits};
//!
//! let k = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
//! let sent = Frame::encode(b"layer 0", &[Item::new("k", &k), Item::new("k transposed", &k.transpose()?)])?;
//! let mut wire = Vec::new(); // a socket, a file
//! sent.write_to(&mut wire).unwrap();
//!
//! let frame = Frame::read(&mut &wire[..], &Limits::default())?.expect("one was written");
//! assert_eq!(frame.meta(), b"layer 0");
//! assert_eq!(frame.tensor("k transposed")?.as_slice::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub mod exo;
pub mod frame;
#[cfg(feature = "service")]
pub mod service;

pub use frame::{Compression, Encoded, Frame, Item, Limits};
