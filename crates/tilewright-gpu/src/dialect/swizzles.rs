//! The multi-component swizzles of a kernel, so that the vectors of C++ have those and no more.

use std::collections::HashSet;
use std::fmt::Write as _;

/// The macros by which `vectors.h` declares the swizzles among `words` (`xy`, `zyx`, `rgba`), one for each length of vector.
pub(crate) fn declare(words: &HashSet<&str>) -> String {
    let mut named: Vec<(&str, Vec<usize>)> =
        words.iter().filter_map(|word| Some((*word, elements(word)?))).collect();
    // The text is part of the compile cache's key.
    named.sort();
    let mut text = String::new();
    for length in 2..=4 {
        write!(text, "#define TW_SWIZZLES_{length}").expect("strings take writes");
        for (name, elements) in
            named.iter().filter(|(_, elements)| elements.iter().all(|&element| element < length))
        {
            write!(text, " TW_SWIZZLE({length}, {name}").expect("strings take writes");
            elements.iter().for_each(|element| write!(text, ", {element}").expect("strings take writes"));
            text.push(')');
        }
        text.push('\n');
    }
    text
}

/// Which elements `word` names, if it is a swizzle of two to four of them.
fn elements(word: &str) -> Option<Vec<usize>> {
    let of = |names: &str| word.chars().map(|letter| names.find(letter)).collect::<Option<Vec<_>>>();
    (2..=4).contains(&word.len()).then(|| of("xyzw").or_else(|| of("rgba"))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declares_what_is_named_where_it_exists() {
        let text = declare(&HashSet::from(["zyx", "xx", "x", "bgra", "xr", "index", "wwwww"]));
        let expected = "#define TW_SWIZZLES_2 TW_SWIZZLE(2, xx, 0, 0)\n\
                        #define TW_SWIZZLES_3 TW_SWIZZLE(3, xx, 0, 0) TW_SWIZZLE(3, zyx, 2, 1, 0)\n\
                        #define TW_SWIZZLES_4 TW_SWIZZLE(4, bgra, 2, 1, 0, 3) TW_SWIZZLE(4, xx, 0, 0) TW_SWIZZLE(4, zyx, 2, 1, 0)\n";
        assert_eq!(text, expected);
    }
}
