//! An mLSTM cell reads a prompt in chunks and goes on token by token, in a state of constant size.
//!
//! `cargo run --release -p tilewright --example mlstm_decode [cpu | cuda:0 | metal:0 | emulated]`

use tilewright::kernels::mlstm::{Mlstm, MlstmChunkwise, MlstmInputs, mlstm_chunkwise, mlstm_step};
use tilewright::{DType, Device, Result, Tensor, stream};

const HEADS: usize = 2;
const PROMPT: usize = 100;
const TOKENS: usize = PROMPT + 3;
const WIDTH: usize = 32;

fn main() -> Result<()> {
    let device = std::env::args().nth(1).map_or(Ok(Device::Cpu), |name| name.parse())?;
    let stream = stream(device)?;

    let waves = |shape: &[usize], phase: f64| {
        let values: Vec<f64> = (0..shape.iter().product()).map(|x| (x as f64 * 0.7 + phase).sin()).collect();
        Tensor::from_f64(&values, DType::F32, shape)?.to(&stream)
    };
    let vectors = |phase| waves(&[1, HEADS, TOKENS, WIDTH], phase);
    let (q, k, v) = (vectors(0.0)?, vectors(1.0)?, vectors(2.0)?);
    let (i, f) = (waves(&[1, HEADS, TOKENS], 3.0)?, waves(&[1, HEADS, TOKENS], 4.0)?);

    // What one pass over everything says, to compare with.
    let all = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
    let (whole, _) = mlstm_chunkwise(&stream, &all, None, &MlstmChunkwise::default())?;

    let part = |range: std::ops::Range<usize>| {
        let cut = |tensor: &Tensor| tensor.slice(2, range.clone());
        Ok::<_, tilewright::Error>([cut(&q)?, cut(&k)?, cut(&v)?, cut(&i)?, cut(&f)?])
    };
    let [pq, pk, pv, pi, pf] = part(0..PROMPT)?;
    let prompt = MlstmInputs { q: &pq, k: &pk, v: &pv, i: &pi, f: &pf, o: None };
    let (_, mut state) = mlstm_chunkwise(&stream, &prompt, None, &MlstmChunkwise::default())?;
    for token in PROMPT..TOKENS {
        let [tq, tk, tv, ti, tf] = part(token..token + 1)?.map(|tensor| tensor.select(2, 0));
        let (tq, tk, tv, ti, tf) = (tq?, tk?, tv?, ti?, tf?);
        let one = MlstmInputs { q: &tq, k: &tk, v: &tv, i: &ti, f: &tf, o: None };
        let (h, next) = mlstm_step(&stream, &one, &state, &Mlstm::default())?;
        state = next;
        let together = whole.slice(2, token..token + 1)?.to_f64_vec()?;
        let apart = h.to_f64_vec()?;
        let error = apart.iter().zip(&together).fold(0f64, |worst, (a, b)| worst.max((a - b).abs()));
        println!("{device}: token {token} differs by {error:.1e} from the pass over everything");
    }
    Ok(())
}
