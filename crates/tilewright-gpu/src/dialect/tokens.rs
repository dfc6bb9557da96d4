//! The token pass: what of the Metal dialect depends on where a word stands, and so cannot be a header.
//!
//! * `threadgroup` on a variable becomes `TW_THREADGROUP`, and `TW_DECLARED(name);` follows the declaration; on a
//!   pointer, a reference or in a cast it goes, as `device` and `thread` do everywhere.
//! * `constant` becomes `const`, once per type; on a variable at namespace scope `TW_CONSTANT`.
//! * A floating literal without a suffix is a `float` in Metal: it gets its `f`. `1.0h` becomes `half(1.0f)`.
//! * Loop pragmas become what the target takes, `fp contract(off)` is reported, Metal's own headers and attributes go.
//! * What no target offers is refused by its name.
//!
//! Lines stay where they were, so a compiler's or a sanitizer's line is the author's line.

use std::borrow::Cow;
use std::collections::HashSet;

use super::declarations::Code;
use super::lexer::{Kind, directive, lex};
use super::{Place, Target};

/// Text for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// As many lines as the source has.
    pub text: String,
    /// The source asked that `a * b + c` is not fused (`#pragma clang fp contract(off)`); some compilers take this
    /// as an option for the whole unit only.
    pub contract_off: bool,
}

/// A construct that no target but Metal has, or that Metal does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The name of the construct, as it stands in the source.
    pub construct: String,
    /// Its line, counted from 1 or as the last `#line` says.
    pub line: usize,
    /// Why it is refused, as the end of a sentence.
    pub why: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: `{}`: {}", self.line, self.construct, self.why)
    }
}

impl std::error::Error for Refusal {}

const TEXTURES: &str = "textures are outside the dialect; pass the data as a buffer";
const TENSORS: &str = "tensor operations have no counterpart outside Metal; use simdgroup_matrix";
const RAYS: &str = "ray tracing is outside the dialect";
const GRAPHICS: &str = "graphics stages are outside the dialect";
const CONSTANTS: &str = "function constants are outside the dialect; use a template argument";

/// Words refused wherever they stand, and why.
const REFUSED: &[(&str, &str)] = &[
    ("__asm", "assembly is for one chip only"),
    ("__asm__", "assembly is for one chip only"),
    ("acceleration_structure", RAYS),
    ("asm", "assembly is for one chip only"),
    ("coherent", "device memory coherent across threadgroups is outside the dialect"),
    ("cooperative_tensor", TENSORS),
    ("double", "Metal has no double"),
    ("function_constant", CONSTANTS),
    ("goto", "Metal has no goto"),
    ("imageblock", GRAPHICS),
    ("instance_acceleration_structure", RAYS),
    ("intersection_function_table", RAYS),
    ("intersection_query", RAYS),
    ("intersector", RAYS),
    ("is_function_constant_defined", CONSTANTS),
    ("mpp", TENSORS),
    ("object_data", GRAPHICS),
    ("os_log", "there is no log on other targets"),
    ("os_log_default", "there is no log on other targets"),
    ("primitive_acceleration_structure", RAYS),
    ("ray_data", RAYS),
    ("raytracing", RAYS),
    ("tensor_handle", TENSORS),
    ("tensor_inline", TENSORS),
    ("tensor_offset", TENSORS),
    ("tensor_ops", TENSORS),
    ("texture_buffer", TEXTURES),
    ("threadgroup_imageblock", GRAPHICS),
    ("visible_function_table", RAYS),
];

/// Attributes of C++ itself; all others are Metal's.
const KEPT_ATTRIBUTES: &[&str] = &[
    "deprecated",
    "fallthrough",
    "likely",
    "maybe_unused",
    "no_unique_address",
    "nodiscard",
    "noreturn",
    "unlikely",
];

/// Translates `source`, which stands at `place`, for `target`.
///
/// # Errors
///
/// The first construct that is refused, by name and line.
pub fn translate(source: &str, target: Target, place: Place) -> Result<Translated, Refusal> {
    let code = Code::new(source);
    let text = code.tokens.iter().map(|t| Cow::Borrowed(t.text)).collect();
    let mut pass = Pass { code, target, place, text, contract_off: false, scopes: Vec::new(), statement: 0 };
    pass.directives()?;
    pass.words()?;
    Ok(Translated { text: pass.text.concat(), contract_off: pass.contract_off })
}

/// All identifiers that `source` names, outside comments and strings; macro definitions and conditions count.
///
/// Built-ins and `<input>_shape` are detected by these. MLX searches the text of the body for the name, comments
/// and parts of longer names included; whole identifiers accept every body that is valid there.
pub fn identifiers(source: &str) -> HashSet<&str> {
    let mut words = HashSet::new();
    for token in lex(source) {
        match token.kind {
            Kind::Word => drop(words.insert(token.text)),
            Kind::Directive
                if !matches!(directive(token.text).0, "include" | "import" | "pragma" | "line") =>
            {
                words.extend(
                    lex(directive(token.text).1).iter().filter(|t| t.kind == Kind::Word).map(|t| t.text),
                );
            }
            _ => {}
        }
    }
    words
}

/// The names that a body declares in its outermost block, or defines as macros.
///
/// A built-in of such a name must not also be a parameter: in C++ the two would clash, and the body means its own.
pub fn locals(body: &str) -> HashSet<&str> {
    let code = Code::new(body);
    let mut names = HashSet::new();
    let (mut at, mut starts) = (0, true);
    while at < code.seen.len() {
        if starts && let Some(declaration) = code.declaration(at) {
            names.extend(declaration.variables.iter().map(|v| code.text(v.name)));
        }
        if code.is_border(at) {
            if let Some(name) = lex(directive(code.text(at)).1).first() {
                names.insert(name.text);
            }
            starts = true;
            at += 1;
            continue;
        }
        starts = matches!(code.text(at), ";" | "{");
        at = match code.text(at) {
            "(" | "[" | "{" => code.after_group(at).unwrap_or(at + 1),
            _ => at + 1,
        };
    }
    names
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Namespace,
    Class,
    /// A function, a block, a lambda or an initialiser.
    Block,
    /// Parentheses or brackets.
    Group,
}

struct Pass<'s> {
    code: Code<'s>,
    target: Target,
    place: Place,
    /// One per token; joined, the answer.
    text: Vec<Cow<'s, str>>,
    contract_off: bool,
    scopes: Vec<Scope>,
    /// Where the statement around the current position starts.
    statement: usize,
}

impl Pass<'_> {
    fn refuse<T>(&self, token: usize, construct: &str, why: &str) -> Result<T, Refusal> {
        Err(Refusal {
            construct: construct.to_owned(),
            line: self.code.tokens[token].line,
            why: why.to_owned(),
        })
    }

    fn directives(&mut self) -> Result<(), Refusal> {
        for i in 0..self.code.tokens.len() {
            let token = self.code.tokens[i];
            if token.kind != Kind::Directive {
                continue;
            }
            let replacement = match directive(token.text) {
                ("include" | "import", file) => {
                    let name = file.trim_matches(|c| matches!(c, '<' | '>' | '"'));
                    if name.starts_with("MetalPerformancePrimitives") || name.starts_with("metal_tensor") {
                        return self.refuse(i, name, TENSORS);
                    }
                    let known = ["metal_", "metal/", "simd/", "mlx/"].iter().any(|p| name.starts_with(p));
                    if !known {
                        return self.refuse(
                            i,
                            name,
                            "a kernel's source stands alone; only Metal's own headers are known",
                        );
                    }
                    String::new()
                }
                ("pragma", pragma) => match self.pragma(pragma) {
                    Some(text) => text,
                    None => continue,
                },
                _ => continue,
            };
            let newlines = "\\\n".repeat(token.text.matches('\n').count());
            self.text[i] = Cow::Owned(replacement + &newlines);
        }
        Ok(())
    }

    /// What a pragma becomes; None where it stays.
    fn pragma(&mut self, pragma: &str) -> Option<String> {
        let words: Vec<&str> = lex(pragma).iter().filter(|t| t.significant()).map(|t| t.text).collect();
        let unroll = match words.as_slice() {
            ["once", ..] => return Some(String::new()),
            ["clang" | "METAL", "fp", "contract", "(", how, ..] | ["STDC", "FP_CONTRACT", how] => {
                self.contract_off |= matches!(*how, "off" | "OFF");
                return Some(String::new());
            }
            ["METAL", ..] => return Some(String::new()),
            ["unroll"] => Some(String::new()),
            ["unroll", "(", count, ")"] | ["unroll", count] => Some(format!(" {count}")),
            ["nounroll"] => Some(" 1".to_owned()),
            ["clang", "loop", rest @ ..] => rest.windows(3).find_map(|w| match w {
                ["unroll", "(", "disable"] => Some(" 1".to_owned()),
                ["unroll", "(", _] => Some(String::new()),
                ["unroll_count", "(", count] => Some(format!(" {count}")),
                _ => None,
            }),
            _ => return None,
        };
        // Unrolling changes no result, and g++ and clang spell it differently: the emulator does without.
        match (self.target, unroll) {
            (Target::Cuda, Some(count)) => Some(format!("#pragma unroll{count}")),
            _ => Some(String::new()),
        }
    }

    fn words(&mut self) -> Result<(), Refusal> {
        let mut outside_define = Vec::new();
        let mut at = 0;
        while at < self.code.seen.len() {
            let i = self.code.seen[at];
            let token = self.code.tokens[i];
            match token.kind {
                // What a macro stands for need not be balanced.
                Kind::Directive => outside_define = std::mem::take(&mut self.scopes),
                Kind::DefineEnd => self.scopes = std::mem::take(&mut outside_define),
                Kind::Number => self.number(i),
                Kind::Word => self.word(at)?,
                Kind::Punct if self.code.opens_attribute(at) => {
                    let end = self.code.after_group(at).unwrap_or(at + 2);
                    self.attribute(at, end)?;
                    at = end;
                    continue;
                }
                Kind::Punct => self.punct(at),
                _ => {}
            }
            at += 1;
            if self.code.is_border(at - 1) || (matches!(token.text, ";" | "{" | "}") && !self.in_group()) {
                self.statement = at;
            }
        }
        Ok(())
    }

    fn in_group(&self) -> bool {
        self.scopes.last() == Some(&Scope::Group)
    }

    fn at_namespace_scope(&self) -> bool {
        self.place == Place::Header && self.scopes.iter().all(|&s| s == Scope::Namespace)
    }

    fn punct(&mut self, at: usize) {
        match self.code.text(at) {
            "(" | "[" => self.scopes.push(Scope::Group),
            "{" => self.scopes.push(self.brace(at)),
            ")" | "]" | "}" => drop(self.scopes.pop()),
            _ => {}
        }
    }

    /// What the brace at `at` opens.
    fn brace(&self, at: usize) -> Scope {
        let (mut scope, mut word) = (Scope::Block, self.statement);
        if self.in_group() {
            return scope;
        }
        if self.code.text(word) == "template" {
            word = self.code.after_angles(word + 1).unwrap_or(word);
        }
        while word < at {
            match self.code.text(word) {
                "namespace" | "extern" => return Scope::Namespace,
                "class" | "struct" | "union" => scope = Scope::Class,
                "alignas" => word += 1,
                // A function that returns one, or a variable of one.
                "(" | "=" => return Scope::Block,
                _ => {}
            }
            word = match self.code.text(word) {
                "(" | "[" => self.code.after_group(word).unwrap_or(at),
                _ => word + 1,
            };
        }
        scope
    }

    fn attribute(&mut self, at: usize, end: usize) -> Result<(), Refusal> {
        if KEPT_ATTRIBUTES.contains(&self.code.text(at + 2)) {
            return Ok(());
        }
        match self.code.text(at + 2) {
            name @ ("texture" | "sampler") => return self.refuse(self.code.seen[at], name, TEXTURES),
            name @ "function_constant" => return self.refuse(self.code.seen[at], name, CONSTANTS),
            _ => {}
        }
        for i in self.code.seen[at]..=self.code.seen[end - 1] {
            self.text[i] = Cow::Owned("\n".repeat(self.text[i].matches('\n').count()));
        }
        Ok(())
    }

    fn number(&mut self, i: usize) {
        let text = self.code.tokens[i].text;
        let hex = text.starts_with("0x") || text.starts_with("0X");
        let floating = if hex { text.contains(['p', 'P']) } else { text.contains(['.', 'e', 'E']) };
        if !floating {
            return;
        }
        let exponent = text.rfind(if hex { ['p', 'P'] } else { ['e', 'E'] }).map_or(0, |n| n + 1);
        let suffix =
            text[exponent..].find(|c: char| c.is_ascii_alphabetic()).map_or(text.len(), |n| exponent + n);
        let digits = &text[..suffix];
        match &text[suffix..] {
            "" => self.text[i] = Cow::Owned(format!("{digits}f")),
            "h" | "H" => self.text[i] = Cow::Owned(format!("half({digits}f)")),
            "bf" | "BF" => self.text[i] = Cow::Owned(format!("bfloat({digits}f)")),
            _ => {}
        }
    }

    fn word(&mut self, at: usize) -> Result<(), Refusal> {
        let i = self.code.seen[at];
        let word = self.code.text(at);
        match word {
            "device" | "thread" => self.remove(i),
            "threadgroup" => return self.threadgroup(at),
            "constant" => self.constant(at),
            "kernel" if self.code.is_word(at + 1) => self.remove(i),
            "sampler" if self.code.is_word(at + 1) => return self.refuse(i, word, TEXTURES),
            "vertex" | "fragment" if self.code.is_word(at + 1) => return self.refuse(i, word, GRAPHICS),
            "tensor" if self.code.text(at + 1) == "<" => return self.refuse(i, word, TENSORS),
            "_Pragma" => self.pragma_operator(at),
            _ if ["texture1d", "texture2d", "texture3d", "texturecube", "depth2d", "depthcube"]
                .iter()
                .any(|t| word == *t || word.strip_prefix(t).is_some_and(|rest| rest.starts_with('_'))) =>
            {
                return self.refuse(i, word, TEXTURES);
            }
            _ => {
                if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == word) {
                    return self.refuse(i, word, why);
                }
            }
        }
        Ok(())
    }

    /// Takes a word out, with the space after it.
    fn remove(&mut self, i: usize) {
        self.text[i] = Cow::Borrowed("");
        if self.code.tokens.get(i + 1).is_some_and(|t| t.text == " ") {
            self.text[i + 1] = Cow::Borrowed("");
        }
    }

    fn pragma_operator(&mut self, at: usize) {
        let (open, quoted, close) = (at + 1, at + 2, at + 3);
        if self.code.text(open) != "(" || self.code.text(close) != ")" {
            return;
        }
        if let Some(replacement) = self.pragma(self.code.text(quoted).trim_matches('"')) {
            let pragma = replacement.trim_start_matches("#pragma ");
            for part in [open, quoted, close] {
                self.text[self.code.seen[part]] = Cow::Borrowed("");
            }
            let operator = if pragma.is_empty() { String::new() } else { format!("_Pragma(\"{pragma}\")") };
            self.text[self.code.seen[at]] = Cow::Owned(operator);
        }
    }

    fn threadgroup(&mut self, at: usize) -> Result<(), Refusal> {
        let i = self.code.seen[at];
        if self.in_group() {
            self.remove(i);
            return Ok(());
        }
        let declaration = self.code.declaration(self.statement);
        let Some(declaration) = declaration.filter(|d| d.specifiers.contains(&at)) else {
            // Not of a variable: a function's type, a template argument, an alias. If it is not of a pointer either,
            // dropping the word would turn shared memory into a thread's own.
            let mut end = at;
            while !self.code.is_border(end)
                && !matches!(self.code.text(end), ";" | "{" | "}" | "(" | "*" | "&")
            {
                end += 1;
            }
            if !matches!(self.code.text(end), "*" | "&") {
                return self.refuse(
                    i,
                    "threadgroup",
                    "neither a variable's declaration nor a pointer's type",
                );
            }
            self.remove(i);
            return Ok(());
        };
        if declaration.variables.iter().all(|v| v.indirect) {
            self.remove(i);
            return Ok(());
        }
        if declaration.variables.iter().any(|v| v.indirect) {
            return self.refuse(i, "threadgroup", "one declaration of variables and of pointers; write two");
        }
        if declaration.variables.iter().any(|v| v.initialised) {
            return self.refuse(
                i,
                "threadgroup",
                "Metal does not initialise variables in threadgroup memory",
            );
        }
        if self.at_namespace_scope() || self.scopes.last() == Some(&Scope::Class) {
            return self.refuse(i, "threadgroup", "only a function's variables can be in threadgroup memory");
        }
        // The macro says `static` where the target needs it.
        for &specifier in &declaration.specifiers {
            if self.code.text(specifier) == "static" {
                self.remove(self.code.seen[specifier]);
            }
        }
        self.text[i] = Cow::Borrowed("TW_THREADGROUP");
        let mut end = String::from(";");
        for variable in &declaration.variables {
            end += &format!(" TW_DECLARED({});", self.code.text(variable.name));
        }
        self.text[self.code.seen[declaration.end]] = Cow::Owned(end);
        Ok(())
    }

    fn constant(&mut self, at: usize) {
        let i = self.code.seen[at];
        let variable = self.at_namespace_scope()
            && self.code.declaration(self.statement).is_some_and(|d| {
                d.specifiers.contains(&at) && d.variables.iter().all(|v| !v.indirect && v.initialised)
            });
        let other_const = self.type_words(at).into_iter().filter(|&w| self.code.text(w) == "const");
        if variable {
            for other in other_const.collect::<Vec<_>>() {
                self.remove(self.code.seen[other]);
            }
            self.text[i] = Cow::Borrowed("TW_CONSTANT");
        } else if other_const.count() > 0 {
            self.remove(i);
        } else {
            self.text[i] = Cow::Borrowed("const");
        }
    }

    /// The other words of the type around `at`: up to a declarator's `*` or `&`, a bracket or a comma.
    fn type_words(&self, at: usize) -> Vec<usize> {
        let goes_on = |i: usize| self.code.is_word(i) || self.code.text(i) == "::";
        let mut words = Vec::new();
        let mut forward = at + 1;
        while goes_on(forward) || self.code.text(forward) == "<" {
            if self.code.text(forward) == "<" {
                let Some(end) = self.code.after_angles(forward) else { break };
                forward = end;
            } else {
                words.push(forward);
                forward += 1;
            }
        }
        let mut backward = at;
        while backward > 0 && (goes_on(backward - 1) || self.code.text(backward - 1) == ">") {
            backward -= 1;
            if self.code.text(backward) == ">" {
                let Some(start) = self.before_angles(backward) else { break };
                backward = start;
            } else {
                words.push(backward);
            }
        }
        words
    }

    /// Position of the `<` that the `>` at `at` closes, if this is the argument list of a type and not of `template`.
    fn before_angles(&self, at: usize) -> Option<usize> {
        let start = (0..at)
            .rev()
            .take(256)
            .find(|&i| self.code.text(i) == "<" && self.code.after_angles(i) == Some(at + 1))?;
        (start > 0 && self.code.text(start - 1) != "template").then_some(start)
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
