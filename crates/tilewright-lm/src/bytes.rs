//! The tokenizer that needs no file: a token is a byte.

use tilewright_core::{Error, Result};

/// Tokens of the vocabulary.
pub const VOCABULARY: usize = 256;

/// The bytes of a text as tokens.
pub fn encode(text: impl AsRef<[u8]>) -> Vec<u32> {
    text.as_ref().iter().map(|&byte| u32::from(byte)).collect()
}

/// The text of tokens; what is no UTF-8 becomes the replacement character.
///
/// # Errors
/// A token above 255.
pub fn decode(tokens: &[u32]) -> Result<String> {
    let byte = |&token| u8::try_from(token).map_err(|_| Error::range("decode", "token", "0..256", token));
    let bytes = tokens.iter().map(byte).collect::<Result<Vec<_>>>()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_round_trips() {
        let text = "naïve\n\u{1F980}";
        assert_eq!(super::decode(&super::encode(text)).unwrap(), text);
        assert_eq!(super::decode(&[0xC3]).unwrap(), "\u{FFFD}");
        assert!(super::decode(&[256]).unwrap_err().to_string().contains("token is 256"));
    }
}
