//! The formats: golden bytes from other programs, versions, and what strangers may send.

mod exo;
mod frames;
mod hostile;
