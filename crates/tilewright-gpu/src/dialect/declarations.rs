//! Reads one declaration statement: enough of C++ to tell a variable in threadgroup memory from a pointer to it.

use super::lexer::{Kind, Token, directive, lex};

/// Source as tokens, with the ones that the grammar sees.
pub(super) struct Code<'s> {
    pub(super) tokens: Vec<Token<'s>>,
    /// Indices into `tokens`. A `#define` and its end are among them, as borders of a statement.
    pub(super) seen: Vec<usize>,
}

/// A statement that declares variables, in positions of [`Code::seen`].
pub(super) struct Declaration {
    /// The declaration's own specifiers (`const`, `threadgroup`, ...), not those inside template arguments.
    pub(super) specifiers: Vec<usize>,
    pub(super) variables: Vec<Variable>,
    /// The semicolon.
    pub(super) end: usize,
}

pub(super) struct Variable {
    pub(super) name: usize,
    /// A pointer or a reference.
    pub(super) indirect: bool,
    pub(super) initialised: bool,
}

const SPECIFIERS: &[&str] = &[
    "alignas",
    "const",
    "constant",
    "constexpr",
    "device",
    "extern",
    "inline",
    "mutable",
    "static",
    "thread",
    "threadgroup",
    "typename",
    "volatile",
];
const TAGS: &[&str] = &["class", "enum", "struct", "union"];
const ARITHMETIC: &[&str] =
    &["bool", "char", "double", "float", "int", "long", "short", "signed", "unsigned"];
const NO_TYPE: &[&str] = &[
    "break",
    "case",
    "continue",
    "default",
    "delete",
    "do",
    "else",
    "for",
    "friend",
    "goto",
    "if",
    "namespace",
    "new",
    "operator",
    "private",
    "public",
    "return",
    "sizeof",
    "static_assert",
    "switch",
    "template",
    "this",
    "throw",
    "typedef",
    "using",
    "while",
];

impl<'s> Code<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        let tokens = lex(source);
        let border = |t: &Token| t.kind == Kind::Directive && directive(t.text).0 == "define";
        let seen = (0..tokens.len()).filter(|&i| tokens[i].significant() || border(&tokens[i])).collect();
        Code { tokens, seen }
    }

    pub(super) fn token(&self, at: usize) -> Option<&Token<'s>> {
        self.seen.get(at).map(|&i| &self.tokens[i])
    }

    /// The text at `at`; empty past the end.
    pub(super) fn text(&self, at: usize) -> &'s str {
        self.token(at).map_or("", |t| t.text)
    }

    pub(super) fn is_word(&self, at: usize) -> bool {
        self.token(at).is_some_and(|t| t.kind == Kind::Word)
    }

    /// Whether `at` is a border that no statement crosses.
    pub(super) fn is_border(&self, at: usize) -> bool {
        self.token(at).is_none_or(|t| matches!(t.kind, Kind::Directive | Kind::DefineEnd))
    }

    /// Whether an attribute opens at `at`.
    pub(super) fn opens_attribute(&self, at: usize) -> bool {
        self.text(at) == "[" && self.text(at + 1) == "[" && self.seen[at] + 1 == self.seen[at + 1]
    }

    /// Position after the bracket that closes the one at `at`; None where it never closes.
    pub(super) fn after_group(&self, at: usize) -> Option<usize> {
        let mut depth = 0;
        let mut i = at;
        while !self.is_border(i) {
            match self.text(i) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            i += 1;
            if depth == 0 {
                return Some(i);
            }
        }
        None
    }

    /// Position after the `>` that closes the `<` at `at`; None if that was a comparison.
    pub(super) fn after_angles(&self, at: usize) -> Option<usize> {
        let mut depth = 0;
        let mut i = at;
        while !self.is_border(i) {
            match self.text(i) {
                "<" => depth += 1,
                ">" => depth -= 1,
                "(" | "[" => i = self.after_group(i)? - 1,
                ";" | "{" | "}" | ")" | "]" => return None,
                _ => {}
            }
            i += 1;
            if depth == 0 {
                return Some(i);
            }
        }
        None
    }

    /// The declaration that starts at `start`, if what starts there declares variables and ends in a semicolon.
    pub(super) fn declaration(&self, start: usize) -> Option<Declaration> {
        let mut specifiers = Vec::new();
        let mut at = start;
        if self.text(at) == "template" {
            at = self.after_angles(at + 1)?;
        }
        at = self.specifiers(at, &mut specifiers)?;
        at = self.type_name(at)?;
        at = self.specifiers(at, &mut specifiers)?;
        let mut variables = Vec::new();
        loop {
            let (variable, end) = self.variable(at)?;
            variables.push(variable);
            match self.text(end) {
                "," => at = end + 1,
                ";" => return Some(Declaration { specifiers, variables, end }),
                _ => return None,
            }
        }
    }

    fn specifiers(&self, mut at: usize, found: &mut Vec<usize>) -> Option<usize> {
        loop {
            if self.opens_attribute(at) {
                at = self.after_group(at)?;
            } else if SPECIFIERS.contains(&self.text(at)) {
                found.push(at);
                at += 1;
                if self.text(at - 1) == "alignas" {
                    at = self.after_group(at)?;
                }
            } else {
                return Some(at);
            }
        }
    }

    fn type_name(&self, mut at: usize) -> Option<usize> {
        if TAGS.contains(&self.text(at)) {
            at += 1;
            if self.text(at) == "{" {
                return self.after_group(at);
            }
        } else if ARITHMETIC.contains(&self.text(at)) {
            while ARITHMETIC.contains(&self.text(at)) {
                at += 1;
            }
            return Some(at);
        }
        if self.text(at) == "::" {
            at += 1;
        }
        loop {
            if !self.is_word(at) || NO_TYPE.contains(&self.text(at)) {
                return None;
            }
            let decltype = self.text(at) == "decltype";
            at += 1;
            at = match self.text(at) {
                "(" if decltype => self.after_group(at)?,
                "<" => self.after_angles(at)?,
                "{" => self.after_group(at)?,
                _ => at,
            };
            if self.text(at) != "::" {
                return Some(at);
            }
            at += if self.text(at + 1) == "template" { 2 } else { 1 };
        }
    }

    /// One declarator with its initialiser, and the position after it.
    fn variable(&self, mut at: usize) -> Option<(Variable, usize)> {
        let mut indirect = false;
        let mut parenthesised = false;
        loop {
            match self.text(at) {
                "*" | "&" => indirect = true,
                "(" if matches!(self.text(at + 1), "*" | "&") => parenthesised = true,
                word if SPECIFIERS.contains(&word) => {}
                _ => break,
            }
            at += 1;
        }
        let name = at;
        if !self.is_word(name) || NO_TYPE.contains(&self.text(name)) {
            return None;
        }
        at += 1;
        if parenthesised {
            // `T (&name)[n]`; a mere `f(&name);` is a call.
            if self.text(at) != ")" || !matches!(self.text(at + 1), "[" | "(") {
                return None;
            }
            at += 1;
        }
        let mut initialised = false;
        loop {
            match self.text(at) {
                "[" => at = self.after_group(at)?,
                "(" | "{" => {
                    initialised = true;
                    at = self.after_group(at)?;
                }
                "=" => {
                    initialised = true;
                    while !matches!(self.text(at), "," | ";") {
                        at = match self.text(at) {
                            "(" | "[" | "{" => self.after_group(at)?,
                            _ if self.is_border(at) => return None,
                            _ => at + 1,
                        };
                    }
                }
                _ => return Some((Variable { name, indirect, initialised }, at)),
            }
        }
    }
}
