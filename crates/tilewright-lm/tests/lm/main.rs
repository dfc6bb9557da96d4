//! The model, judged.

mod copying;
mod devices;
mod files;
mod forms;
mod gradients;
mod hugging_face;
mod parts;
mod tiny;
mod training;
