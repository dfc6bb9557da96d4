//! Words, and how much each says about a passage: TF-IDF.

use std::collections::{BTreeMap, HashMap};

use tilewright_core::{Result, Tensor};

/// Words that say nothing, and what is left of those of Rust.
const STOP_WORDS: [&str; 44] = [
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "do", "does", "for", "from",
    "had", "has", "have", "how", "if", "in", "into", "is", "it", "its", "no", "not", "of", "on", "or", "so",
    "than", "that", "the", "then", "there", "these", "this", "to", "was", "what", "when", "which", "with",
];
/// In order of length: the first that leaves a stem is taken off.
const SUFFIXES: [&str; 5] = ["ing", "ed", "es", "e", "s"];
/// What a word keeps at least.
const STEM_LETTERS: usize = 4;
/// Of longer ones the end is data, such as a hash.
const WORD_LETTERS: usize = 40;

/// The words of a text: identifiers in their parts (`top_k_rows`, `TopKRows`), lower case, common endings left off.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower = false;
    for letter in text.chars().chain([' ']) {
        if !letter.is_alphanumeric() || (lower && letter.is_uppercase()) {
            let whole = std::mem::take(&mut word);
            let says = (2..=WORD_LETTERS).contains(&whole.len()) && whole.contains(char::is_alphabetic);
            if says && !STOP_WORDS.contains(&whole.as_str()) {
                words.push(stem(whole));
            }
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        lower = letter.is_lowercase();
    }
    words
}

fn stem(mut word: String) -> String {
    let ends = |suffix: &&str| word.ends_with(*suffix) && word.len() >= suffix.len() + STEM_LETTERS;
    if word.is_ascii()
        && let Some(suffix) = SUFFIXES.iter().find(|suffix| ends(suffix))
    {
        word.truncate(word.len() - suffix.len());
    }
    word
}

/// How often each word occurs.
fn counts(text: &str) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for word in words(text) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The words that count, and how rare each is.
pub(super) struct Vocabulary {
    /// Column and inverse document frequency of each.
    terms: HashMap<String, (usize, f64)>,
    /// Words of the text, the rare ones included.
    pub(super) found: usize,
}

/// A sparse row: columns in order, with the weight of each. Of length 1.
pub(super) type Row = Vec<(usize, f64)>;

impl Vocabulary {
    /// The `most` words that occur in the most passages, and in 2 at least; with the row of each passage, empty where
    /// it has none of them.
    pub(super) fn of<'t>(passages: impl Iterator<Item = &'t str>, most: usize) -> (Self, Vec<Row>) {
        let counted: Vec<_> = passages.map(counts).collect();
        let mut frequencies: BTreeMap<&str, usize> = BTreeMap::new();
        for word in counted.iter().flat_map(BTreeMap::keys) {
            *frequencies.entry(word).or_default() += 1;
        }
        let found = frequencies.len();
        let mut common: Vec<(&str, usize)> =
            frequencies.into_iter().filter(|&(_, passages)| passages >= 2).collect();
        // Stable: words of one frequency stay in the order of the alphabet.
        common.sort_by_key(|&(_, passages)| std::cmp::Reverse(passages));
        common.truncate(most);
        let rarity = |passages: usize| ((1 + counted.len()) as f64 / (1 + passages) as f64).ln() + 1.0;
        let entry = |(column, &(word, passages)): (usize, &(&str, usize))| {
            (word.to_owned(), (column, rarity(passages)))
        };
        let vocabulary = Self { terms: common.iter().enumerate().map(entry).collect(), found };
        let rows = counted.iter().map(|counts| vocabulary.weigh(counts)).collect();
        (vocabulary, rows)
    }

    /// The number of columns.
    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    /// The row of any text.
    pub(super) fn row(&self, text: &str) -> Row {
        self.weigh(&counts(text))
    }

    /// `(1 + ln tf) idf`, divided by the length of the row.
    fn weigh(&self, counts: &BTreeMap<String, u32>) -> Row {
        let weight = |(word, &count): (&String, &u32)| {
            self.terms.get(word).map(|&(column, rarity)| (column, (1.0 + f64::from(count).ln()) * rarity))
        };
        let mut row: Row = counts.iter().filter_map(weight).collect();
        row.sort_by_key(|&(column, _)| column);
        let length = row.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        row.iter_mut().for_each(|(_, weight)| *weight /= length);
        row
    }
}

/// The rows as a dense f32 matrix on the host. `[rows, terms]`
pub(super) fn dense(rows: &[Row], terms: usize) -> Result<Tensor> {
    let mut values = vec![0f32; rows.len() * terms];
    for (row, values) in rows.iter().zip(values.chunks_mut(terms.max(1))) {
        for &(column, weight) in row {
            values[column] = weight as f32;
        }
    }
    Tensor::from_vec(values, [rows.len(), terms])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_fall_into_their_parts_and_endings_go() {
        assert_eq!(words("how is a kernel compiled and CACHED?"), ["kernel", "compil", "cach"]);
        assert_eq!(
            words("fn topKRows(subspace_step: &Bf16) // 1024"),
            ["fn", "top", "krow", "subspac", "step", "bf16"]
        );
        assert_eq!(stem("compile".into()), stem("compiling".into()));
    }

    #[test]
    fn rows_are_of_length_one_and_rare_words_weigh_more() {
        let text = ["apple apple pear tree", "apple tree", "apple pear once", "nothing"];
        let (vocabulary, rows) = Vocabulary::of(text.into_iter(), 100);
        assert_eq!((vocabulary.len(), vocabulary.found), (3, 5));
        assert!(rows[3].is_empty());
        for row in &rows[..3] {
            assert!((row.iter().map(|(_, weight)| weight * weight).sum::<f64>() - 1.0).abs() < 1e-12);
        }
        // "apple" has the first column, being in the most passages; "pear" is rarer.
        assert!(rows[2][0].1 < rows[2][1].1);
        let dense = dense(&rows, 3).unwrap().to_f64_vec().unwrap();
        assert_eq!(dense[9..], [0.0; 3]);
        assert_eq!(vocabulary.row("unknown"), []);
    }
}
