//! The tensors follow what a manager says.

use tilewright_cache::{Budget, Copy, KvStore, Manager, SequenceId};
use tilewright_core::{DType, Stream, Tensor};
use tilewright_kernels::attention::{AttentionDecode, attention_decode};

const HEADS: usize = 2;

/// Keys of tokens, each head's two numbers of its own.
fn rows(tokens: &[u32]) -> Tensor {
    let values =
        tokens.iter().flat_map(|&token| (0..2 * HEADS).map(move |at| token as f32 + at as f32 / 8.0));
    Tensor::from_vec(values.collect::<Vec<f32>>(), [tokens.len(), HEADS, 2]).unwrap()
}

fn held(manager: &Manager, store: &KvStore, id: SequenceId) -> Vec<f32> {
    let tokens = manager.tokens(id).unwrap().len();
    let keys = store.keys().to_vec::<f32>().unwrap();
    let slots = manager.slots(id, 0..tokens).unwrap();
    slots.into_iter().flat_map(|slot| keys[slot as usize * 2 * HEADS..][..2 * HEADS].to_vec()).collect()
}

#[test]
fn forks_part_and_swapped_sequences_come_back() {
    let cpu = Stream::cpu();
    let manager = Manager::new(Budget { blocks: 6, host_blocks: 4, block: 4 }).unwrap();
    let mut store = KvStore::new(&cpu, DType::F32, [6, 4, HEADS, 2], 2).unwrap();
    let mut host = KvStore::new(&cpu, DType::F32, [4, 4, HEADS, 2], 2).unwrap();
    let write = |store: &mut KvStore, id: SequenceId, first: usize| {
        let tokens = manager.tokens(id).unwrap();
        let (rows, slots) = (rows(&tokens[first..]), manager.slots(id, first..tokens.len()).unwrap());
        store.append(&cpu, &rows, &rows, &slots).unwrap();
        manager.commit(id, tokens.len()).unwrap();
    };
    let one = manager.admit(&[1, 2, 3, 4, 5, 6], 0).unwrap().sequence;
    write(&mut store, one, 0);
    let two = manager.fork(one).unwrap();
    for (id, token) in [(one, 70), (two, 80)] {
        let copies = manager.append(id, &[token]).unwrap();
        assert_eq!(copies.len(), usize::from(id == one), "the second to write is alone already");
        store.copy(&cpu, &copies).unwrap();
        write(&mut store, id, 6);
    }
    let truth = |last: u32| rows(&[1, 2, 3, 4, 5, 6, last]).to_vec::<f32>().unwrap();
    assert_eq!(held(&manager, &store, one), truth(70));
    assert_eq!(held(&manager, &store, two), truth(80));

    let out = manager.swap_out(one).unwrap();
    host.copy_from(&cpu, (&store, &cpu), &out).unwrap();
    let other = manager.admit(&[9; 13], 0).unwrap().sequence;
    write(&mut store, other, 0);
    assert!(manager.swap_in(one).is_err(), "its place is taken");
    manager.release(other).unwrap();
    let back = manager.swap_in(one).unwrap();
    store.copy_from(&cpu, (&host, &cpu), &back).unwrap();
    assert_eq!(held(&manager, &store, one), truth(70));
    assert_eq!(held(&manager, &store, two), truth(80));

    // And the kernel reads both through their tables.
    let (table, lengths) = manager.batch(&[one, two]).unwrap();
    let q = Tensor::zeros(DType::F32, [2, HEADS, 2]).unwrap();
    let args = AttentionDecode::default();
    let read = attention_decode(&cpu, &q, store.keys(), store.values(), &table, &lengths, &args).unwrap();
    let means = read.out.to_vec::<f32>().unwrap();
    assert!((means[0] - 91.0 / 7.0).abs() < 1e-5 && (means[4] - 101.0 / 7.0).abs() < 1e-5, "{means:?}");
    let wrong = store.copy(&cpu, &[Copy { from: 6, to: 0 }]).unwrap_err().to_string();
    assert!(wrong.contains("from is 6, expected below 6"), "{wrong}");
}
