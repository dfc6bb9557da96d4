//! Cuts Metal source into tokens that, joined again, are the source byte for byte.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Spaces, newlines and the backslash-newline of a macro definition.
    Space,
    Comment,
    /// A whole preprocessor line with its continuations; of a `#define` only `#define NAME(parameters)`: what it
    /// stands for follows as ordinary tokens, up to an empty [`Kind::DefineEnd`].
    Directive,
    DefineEnd,
    /// A string or character literal.
    Quoted,
    Number,
    Word,
    /// One character of punctuation, or `::`, `->`.
    Punct,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    pub(super) text: &'s str,
    /// Line of its first character, counted from 1 or as the last `#line` says.
    pub(super) line: usize,
}

impl Token<'_> {
    /// Whether the grammar sees it.
    pub(super) fn significant(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::Comment | Kind::Directive)
    }
}

/// The tokens of `source`.
pub(super) fn lex(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    let (mut line_is_blank, mut in_define) = (true, false);
    while at < bytes.len() {
        if in_define && bytes[at] == b'\n' {
            tokens.push(Token { kind: Kind::DefineEnd, text: "", line });
            in_define = false;
        }
        let (kind, end) = match bytes[at] {
            b'#' if line_is_blank && !in_define => (Kind::Directive, directive_end(source, at)),
            b'\n' => (Kind::Space, at + 1),
            b'\\' if newline_after(bytes, at).is_some() => {
                (Kind::Space, newline_after(bytes, at).unwrap_or(at + 1))
            }
            c if c.is_ascii_whitespace() => {
                (Kind::Space, run(bytes, at, |c| c.is_ascii_whitespace() && c != b'\n'))
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => (Kind::Comment, line_end(bytes, at)),
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                (Kind::Comment, source[at + 2..].find("*/").map_or(bytes.len(), |n| at + 2 + n + 2))
            }
            quote @ (b'"' | b'\'') => (Kind::Quoted, quoted_end(bytes, at, quote)),
            c if c.is_ascii_digit() => (Kind::Number, number_end(bytes, at)),
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                (Kind::Number, number_end(bytes, at))
            }
            c if is_word(c) => (Kind::Word, run(bytes, at, is_word)),
            b':' if bytes.get(at + 1) == Some(&b':') => (Kind::Punct, at + 2),
            b'-' if bytes.get(at + 1) == Some(&b'>') => (Kind::Punct, at + 2),
            _ => (Kind::Punct, at + 1),
        };
        let text = &source[at..end];
        tokens.push(Token { kind, text, line });
        let newlines = text.bytes().filter(|&c| c == b'\n').count();
        line += newlines;
        line_is_blank = newlines > 0 || (line_is_blank && matches!(kind, Kind::Space | Kind::Comment));
        if kind == Kind::Directive {
            in_define = directive(text).0 == "define";
            if let ("line", number) = directive(text)
                && let Some(Ok(number)) = number.split_whitespace().next().map(str::parse::<usize>)
            {
                // The newline that ends this directive is still to come.
                line = number.saturating_sub(1);
            }
        }
        at = end;
    }
    if in_define {
        tokens.push(Token { kind: Kind::DefineEnd, text: "", line });
    }
    tokens
}

/// The name of a preprocessor line and what follows it.
pub(super) fn directive(text: &str) -> (&str, &str) {
    let rest = text.trim_start_matches('#').trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    (&rest[..end], rest[end..].trim())
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c >= 0x80
}

fn run(bytes: &[u8], at: usize, holds: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|&c| !holds(c)).map_or(bytes.len(), |n| at + n)
}

/// Where a line continuation at `at` ends, if there is one.
fn newline_after(bytes: &[u8], at: usize) -> Option<usize> {
    let end = run(bytes, at + 1, |c| c == b'\r') + 1;
    (bytes.get(end - 1) == Some(&b'\n')).then_some(end)
}

/// End of the line at `at`, before its newline; a backslash continues the line.
fn line_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    while end < bytes.len() && bytes[end] != b'\n' {
        end = if bytes[end] == b'\\' { newline_after(bytes, end).unwrap_or(end + 1) } else { end + 1 };
    }
    end
}

fn directive_end(source: &str, at: usize) -> usize {
    let bytes = source.as_bytes();
    let end = line_end(bytes, at);
    if directive(&source[at..end]).0 == "define" {
        let word = at + source[at..].find("define").unwrap_or(0) + "define".len();
        let name = run(bytes, word, |c| c == b' ' || c == b'\t');
        let mut name_end = run(bytes, name, is_word);
        if bytes.get(name_end) == Some(&b'(') {
            name_end = source[name_end..end].find(')').map_or(end, |n| name_end + n + 1);
        }
        return name_end;
    }
    // A comment may begin on the line and go on after it; only `//` belongs to the line.
    let line = &source[at..end];
    match line.find("/*") {
        Some(comment) if !line[..comment].contains("//") => at + comment,
        _ => end,
    }
}

fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote && bytes[end] != b'\n' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    if bytes.get(end) == Some(&quote) { end + 1 } else { end.min(bytes.len()) }
}

/// The preprocessor's number: digits, letters and dots, and a sign directly after an exponent's letter.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let hex = bytes[at] == b'0' && matches!(bytes.get(at + 1), Some(b'x' | b'X'));
    let mut end = at;
    while end < bytes.len() {
        let exponent = matches!((hex, bytes[end]), (false, b'e' | b'E') | (true, b'p' | b'P'));
        let digit_mark = bytes[end] == b'\'' && bytes.get(end + 1).is_some_and(u8::is_ascii_hexdigit);
        if exponent && matches!(bytes.get(end + 1), Some(b'+' | b'-')) {
            end += 2;
        } else if is_word(bytes[end]) || bytes[end] == b'.' || digit_mark {
            end += 1;
        } else {
            break;
        }
    }
    end
}
