//! The frame: golden bytes made by Python from SPEC.md, round trips, old readers and new writers.

use std::io::{self, IoSlice, Read, Write};

use tilewright_core::{DType, Tensor};
use tilewright_wire::{Compression, Encoded, Frame, Item, Limits};

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

pub(crate) fn decode(bytes: &[u8]) -> tilewright_core::Result<Frame> {
    Frame::decode(bytes, &Limits::default())
}

const NUMPYS: [(&str, DType); 15] = [
    ("float64", DType::F64),
    ("float32", DType::F32),
    ("float16", DType::F16),
    ("bfloat16", DType::Bf16),
    ("float8_e4m3fn", DType::F8E4M3),
    ("float8_e5m2", DType::F8E5M2),
    ("int8", DType::I8),
    ("int16", DType::I16),
    ("int32", DType::I32),
    ("int64", DType::I64),
    ("uint8", DType::U8),
    ("uint16", DType::U16),
    ("uint32", DType::U32),
    ("uint64", DType::U64),
    ("bool", DType::Bool),
];

/// What `make_frames.py` put into `frame.bin`.
fn golden() -> Vec<(&'static str, Tensor)> {
    let numbers = |dtype| Tensor::from_f64(&[0.0, 1.0, 1.0, 0.0, 1.0, 0.0], dtype, [2, 3]).unwrap();
    let mut all: Vec<_> = NUMPYS.iter().map(|&(name, dtype)| (name, numbers(dtype))).collect();
    all.push(("scalar", Tensor::scalar(-2.5f32)));
    all.push(("empty", Tensor::zeros(DType::Bf16, [3, 0, 2]).unwrap()));
    all.push(("", Tensor::from_vec(vec![-1i32, 2, -3, 4], [4]).unwrap()));
    all.push(("naïve", Tensor::from_vec(vec![5i32, 6], [1, 1, 1, 1, 1, 1, 1, 2]).unwrap()));
    all.push(("unchecked", Tensor::from_vec(vec![7u8, 8, 9], [3]).unwrap()));
    all
}

fn encode(meta: &[u8], tensors: &[(&str, Tensor)]) -> Encoded {
    let items: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| Item { checksum: *name != "unchecked", ..Item::new(name, tensor) })
        .collect();
    Frame::encode(meta, &items).unwrap()
}

fn same(a: &Tensor, b: &Tensor) -> bool {
    a.dtype() == b.dtype() && a.dims() == b.dims() && a.to_bytes().unwrap() == b.to_bytes().unwrap()
}

#[test]
fn golden_frames_are_read_and_written_to_the_byte() {
    let (bytes, golden) = (fixture("frame.bin"), golden());
    let frame = decode(&bytes).unwrap();
    assert_eq!(frame.meta(), br#"{"layer":3}"#);
    assert_eq!(frame.entries().len(), golden.len());
    for (place, (name, tensor)) in golden.iter().enumerate() {
        let read = frame.tensor_at(place).unwrap();
        assert!(same(&read, tensor), "{name}: {read:?}");
        assert!(same(&frame.tensor(name).unwrap(), tensor), "{name}");
        assert_eq!(frame.entries()[place].name(), *name);
    }
    assert!(encode(br#"{"layer":3}"#, &golden).to_vec() == bytes);

    let frame = decode(&fixture("frame_lz4.bin")).unwrap();
    assert_eq!(frame.tensor("zeros").unwrap().to_vec::<f32>().unwrap(), [0.0; 1000]);
}

#[test]
fn tensors_are_views_of_the_frames_memory() {
    let golden = golden();
    let frame = decode(&encode(b"", &golden).to_vec()).unwrap();
    let address = |name: &str| frame.tensor(name).unwrap().buffer().host().unwrap().as_ptr();
    assert_eq!(address("float64"), address("int8"));
    let aligned = frame.tensor("float64").unwrap();
    assert!(aligned.as_slice::<f64>().unwrap().as_ptr().addr().is_multiple_of(64));
    let kept = frame.tensor("int16").unwrap();
    drop(frame);
    assert_eq!(kept.to_f64_vec().unwrap(), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0], "a view keeps the memory");
}

/// An older reader before a newer writer: this one knows version 1.0, the frame is one of 1.9 with additions wherever they are allowed.
#[test]
fn additions_of_later_versions_are_skipped_and_named_when_asked_for() {
    let frame = decode(&fixture("frame_later.bin")).unwrap();
    assert_eq!((frame.meta(), frame.entries().len()), (&b"m"[..], 5));
    assert_eq!(frame.tensor("known").unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
    for (name, part) in [
        ("dtype of tomorrow", "the dtype of code 99"),
        ("compression of tomorrow", "the compression of code 77"),
        ("checksum of tomorrow", "the checksum of code 7"),
        ("axes of tomorrow", "9 axes of at most 8"),
    ] {
        let error = frame.tensor(name).unwrap_err();
        assert!(error.is_unsupported() && error.to_string().contains(part), "{error}");
    }
}

#[test]
fn other_majors_and_unknown_needs_are_refused() {
    for (at, value, part) in
        [(4, 2, "a frame of version 2"), (4, 0, "version 0"), (7, 1, "the features 0x0100")]
    {
        let mut bytes = fixture("frame.bin");
        bytes[at] = value;
        let error = decode(&bytes).unwrap_err();
        assert!(error.is_unsupported() && error.to_string().contains(part), "{error}");
    }
}

#[test]
fn every_layout_and_compression_round_trips_in_a_stream_of_frames() {
    let base =
        Tensor::from_vec((0..70 * 50 * 40).map(|i| i % 97).collect::<Vec<i32>>(), [70, 50, 40]).unwrap();
    let tensors = [
        ("whole", base.clone()),
        ("permuted", base.permute(&[2, 0, 1]).unwrap()),
        ("rows", base.permute(&[1, 0, 2]).unwrap()),
        ("sliced", base.slice(1, 7..23).unwrap()),
        ("last", base.select(0, 69).unwrap()),
        ("repeated", base.select(0, 3).unwrap().broadcast_to([5, 50, 40]).unwrap()),
        ("nothing", base.slice(0, 4..4).unwrap()),
    ];
    let mut wire = Vec::new();
    for compression in [Compression::None, Compression::Lz4] {
        let items: Vec<_> =
            tensors.iter().map(|(name, tensor)| Item { compression, ..Item::new(name, tensor) }).collect();
        let sent = Frame::encode(b"x", &items).unwrap();
        assert_eq!(sent.bytes(), sent.to_vec().len());
        sent.write_to(&mut wire).unwrap();
        let mut read = Vec::new();
        sent.reader().read_to_end(&mut read).unwrap();
        assert!(read == sent.to_vec());
    }
    assert!(wire.len() < 2 * tensors.iter().map(|(_, tensor)| tensor.bytes()).sum::<usize>() * 3 / 4);
    let mut stream = &wire[..];
    for _ in 0..2 {
        let frame = Frame::read(&mut stream, &Limits::default()).unwrap().unwrap();
        for (name, tensor) in &tensors {
            assert!(same(&frame.tensor(name).unwrap(), tensor), "{name}");
        }
    }
    assert!(Frame::read(&mut stream, &Limits::default()).unwrap().is_none());
}

/// Takes a few bytes at a time, over slices, and is interrupted now and then.
struct Slow(Vec<u8>, usize);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let before = self.0.len();
        self.0.extend(slices.iter().flat_map(|slice| slice.iter()).take(37 + self.1 % 90));
        Ok(self.0.len() - before)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn writes_that_take_a_part_go_on_where_they_stopped() {
    let sent = encode(b"meta", &golden());
    assert!(sent.slices().len() > 15, "header and payloads are pieces of their own");
    let mut slow = Slow(Vec::new(), 0);
    sent.write_to(&mut slow).unwrap();
    assert!(slow.0 == sent.to_vec());
    let full = sent.write_to(&mut &mut [0u8; 100][..]).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::WriteZero);
}

#[test]
fn what_cannot_be_written_is_named() {
    let tensor = Tensor::scalar(1u8);
    let long = "x".repeat(5000);
    for (names, part) in [(vec!["a", "b", "a"], "\"a\" twice"), (vec![&long], "name is 5000 bytes")] {
        let items: Vec<_> = names.iter().map(|name| Item::new(name, &tensor)).collect();
        let error = Frame::encode(b"", &items).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
