//! From text to tokens and back: by the `tokenizer.json` of a model's folder, or byte by byte.

use std::panic::catch_unwind;
use std::path::Path;

use tilewright_core::{Error, Result};

use crate::{Config, bytes};

const NAME: &str = "tokenizer";
/// Its name in a model's folder, as Hugging Face's libraries write it.
const FILE: &str = "tokenizer.json";

/// What makes tokens of text.
#[derive(Debug, Clone)]
pub enum Tokenizer {
    /// A token is a byte.
    Bytes,
    /// A tokenizer of Hugging Face's library.
    File(Box<tokenizers::Tokenizer>),
}

impl Tokenizer {
    /// That of a model's folder: `tokenizer.json`, or bytes where there is none and the vocabulary is that of bytes.
    ///
    /// # Errors
    /// A file that is no tokenizer; none beside a vocabulary that is not of bytes.
    pub fn beside(folder: impl AsRef<Path>, config: &Config) -> Result<Self> {
        let path = folder.as_ref().join(FILE);
        Self::found(&path, config)?.ok_or_else(|| {
            let why = format!("is not there, and {} tokens are not bytes (256)", config.vocab_size);
            Error::file(NAME, &path, why)
        })
    }

    /// That of a file, which may be named otherwise; of none that is there, bytes where the vocabulary is that of bytes, else nothing.
    ///
    /// # Errors
    /// A file that is no tokenizer.
    pub fn found(path: impl AsRef<Path>, config: &Config) -> Result<Option<Self>> {
        let path = path.as_ref();
        if path.is_file() {
            return Self::read(path).map(Some);
        }
        Ok((config.vocab_size == bytes::VOCABULARY).then_some(Tokenizer::Bytes))
    }

    /// That of a `tokenizer.json`.
    ///
    /// # Errors
    /// A file that cannot be read or is no tokenizer.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let wrong = |why: String| Error::file(NAME, path, why);
        let text = std::fs::read(path).map_err(|why| wrong(why.to_string()))?;
        // Some of the library's readers panic at what is no JSON, or JSON of another kind.
        serde_json::from_slice::<serde::de::IgnoredAny>(&text).map_err(|why| wrong(why.to_string()))?;
        let read = catch_unwind(|| tokenizers::Tokenizer::from_bytes(&text));
        let read = read.map_err(|_| wrong("is no tokenizer that the library can read".to_owned()))?;
        Ok(Tokenizer::File(Box::new(read.map_err(|why| wrong(why.to_string()))?)))
    }

    /// The tokens of a text, with those that the tokenizer itself begins or ends texts with.
    ///
    /// # Errors
    /// A text that the tokenizer cannot take.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match self {
            Tokenizer::Bytes => Ok(bytes::encode(text)),
            Tokenizer::File(tokenizer) => {
                let encoded = tokenizer.encode(text, true);
                Ok(encoded
                    .map_err(|why| Error::range(NAME, "text", "one that it can take", why))?
                    .get_ids()
                    .to_vec())
            }
        }
    }

    /// The text of tokens, without those that only begin or end texts; what is no UTF-8 becomes the replacement character.
    ///
    /// # Errors
    /// A token that the tokenizer lacks, of bytes.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        match self {
            Tokenizer::Bytes => bytes::decode(tokens),
            Tokenizer::File(tokenizer) => {
                let decoded = tokenizer.decode(tokens, true);
                decoded.map_err(|why| Error::range(NAME, "tokens", "ones that it has", why))
            }
        }
    }

    /// A text that is written token by token.
    pub fn streamed(&self) -> Streamed<'_> {
        Streamed { tokenizer: self, tokens: Vec::new(), shown: 0 }
    }
}

/// The text of tokens as they come: each piece as soon as all of its letters are whole.
#[derive(Debug, Clone)]
pub struct Streamed<'t> {
    tokenizer: &'t Tokenizer,
    /// Those of the last piece, whose text decides how the next one is joined to it, and those after.
    tokens: Vec<u32>,
    /// How many of them have been shown.
    shown: usize,
}

impl Streamed<'_> {
    /// What another token adds: nothing, where a letter still lacks a byte.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, token: u32) -> Result<String> {
        self.tokens.push(token);
        let before = self.tokenizer.decode(&self.tokens[..self.shown])?;
        let after = self.tokenizer.decode(&self.tokens)?;
        match after.strip_prefix(&before) {
            Some(new) if !new.is_empty() && !after.ends_with('\u{FFFD}') => {
                self.tokens.drain(..self.shown);
                self.shown = self.tokens.len();
                Ok(new.to_owned())
            }
            _ => Ok(String::new()),
        }
    }

    /// What is left when no token comes any more.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(self) -> Result<String> {
        let before = self.tokenizer.decode(&self.tokens[..self.shown])?;
        let after = self.tokenizer.decode(&self.tokens)?;
        Ok(after.strip_prefix(&before).unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Tokenizer;
    use crate::{Config, bytes};

    /// Letters of bytes and one pair of them, as GPT-2's tokenizer has them.
    const SMALL: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
        "post_processor":null,
        "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
        "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
        "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,
        "vocab":{"h":0,"e":1,"l":2,"o":3,"Ġ":4,"Ã":5,"©":6,"he":7},"merges":[["h","e"]]}}"#;

    #[test]
    fn a_file_is_read_and_pieces_come_when_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { vocab_size: 8, ..Config::bytes() };
        let error = Tokenizer::beside(folder.path(), &config).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json") && error.contains("8 tokens are not bytes"), "{error}");
        let file = folder.path().join("tokenizer.json");
        assert!(Tokenizer::found(&file, &config).unwrap().is_none() && Tokenizer::read(&file).is_err());
        std::fs::write(&file, SMALL).unwrap();
        let tokenizer = Tokenizer::beside(folder.path(), &config).unwrap();
        let tokens = tokenizer.encode("hello hélo").unwrap();
        assert_eq!(tokens, [7, 2, 2, 3, 4, 0, 5, 6, 2, 3]);
        assert_eq!(tokenizer.decode(&tokens).unwrap(), "hello hélo");
        let mut streamed = tokenizer.streamed();
        let pieces: Vec<String> = tokens.iter().map(|&token| streamed.push(token).unwrap()).collect();
        assert_eq!(pieces, ["he", "l", "l", "o", " ", "h", "", "é", "l", "o"]);
        assert_eq!(streamed.finish().unwrap(), "");

        for hostile in [
            &SMALL[..SMALL.len() / 2],
            "{}",
            "[1]",
            &SMALL.replace("\"BPE\"", "5"),
            &SMALL.replace(":7}", ":-7}"),
        ] {
            std::fs::write(&file, hostile).unwrap();
            let error = Tokenizer::beside(folder.path(), &config).unwrap_err().to_string();
            assert!(error.contains("tokenizer.json"), "{error}");
        }
    }

    #[test]
    fn bytes_come_as_letters() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::beside(folder.path(), &Config::bytes()).unwrap();
        let mut streamed = tokenizer.streamed();
        let text = "aé\u{1F980}";
        let pieces: Vec<String> =
            bytes::encode(text).into_iter().map(|token| streamed.push(token).unwrap()).collect();
        assert_eq!(pieces, ["a", "", "é", "", "", "", "\u{1F980}"]);
        assert_eq!(streamed.push(0xC3).unwrap() + &streamed.finish().unwrap(), "\u{FFFD}");
    }
}
