//! The result of one step is packed and sent while the next is computed: by a stream and a thread of its own. Prints the time of a step both ways.

use std::error::Error;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use tilewright::kernels::gemm::{Matmul, matmul};
use tilewright::kernels::pack::pack;
use tilewright::{Device, Present, Tensor};

const STEPS: usize = 24;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let device = Device::cuda(0).unwrap_or(Device::Cpu);
    let (rows, n) = if device == Device::Cpu { (256, 512) } else { (2048, 8192) };
    let (compute, sending) = (device.stream()?, device.stream()?);
    let weights = Tensor::from_vec(vec![1.0 / n as f32; n * n], [n, n])?.to(&compute)?;
    let begin = Tensor::from_vec(vec![1.0f32; rows * n], [rows, n])?.to(&compute)?;
    let bytes = begin.bytes();
    // Some layers, so that there is as much to compute as to send.
    let step = |x: &Tensor| {
        (0..4).try_fold(x.clone(), |x, _| matmul(&compute, &x, &weights, None, &Matmul::default()))
    };

    // A peer that reads whatever comes.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut socket = TcpStream::connect(listener.local_addr()?)?;
    socket.set_nodelay(true)?;
    let peer = thread::spawn(move || io::copy(&mut listener.accept()?.0, &mut io::sink()));
    let mut send = |x: &Tensor| -> Result<(), Box<dyn Error + Send + Sync>> {
        // The first use of x on this stream waits for the other one.
        let packed = pack(&sending, &[x])?.bytes.to_host()?;
        Ok(socket.write_all(packed.as_slice::<u8>()?)?)
    };
    send(&step(&begin)?)?; // compiles

    let (mut x, start) = (begin.clone(), Instant::now());
    for _ in 0..STEPS {
        x = step(&x)?;
        send(&x)?;
    }
    let in_turn = start.elapsed() / STEPS as u32;

    let (mut x, start) = (begin, Instant::now());
    thread::scope(|scope| -> Result<(), Box<dyn Error + Send + Sync>> {
        let (steps, sent) = sync_channel::<Tensor>(1);
        let sender = scope.spawn(move || sent.iter().try_for_each(|x| send(&x)));
        for _ in 0..STEPS {
            x = step(&x)?;
            steps.send(x.clone())?;
        }
        drop(steps);
        sender.join().expect("the sender does not panic")
    })?;
    let beside = start.elapsed() / STEPS as u32;
    drop(socket); // ends the peer
    let gain = in_turn.as_secs_f64() / beside.as_secs_f64();
    println!(
        "{device}: {bytes} bytes a step; in turn {in_turn:.2?}, side by side {beside:.2?}: {gain:.2} times as fast"
    );
    peer.join().expect("the peer does not panic")?;
    Ok(())
}
