//! Matrix Market's files, `.mtx`: real matrices as text, whole or by their elements that are not 0, or by the places of ones alone. Read as dense
//! matrices of f64 or f32.
//!
//! Boisvert, Pozo and Remington, "The Matrix Market Exchange Formats" (1996).

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::str::SplitWhitespace;

use tilewright_core::{DType, Error, Result, Tensor};

/// Elements of the largest dense matrix that a file of few elements may ask for: 2 GiB.
const LARGEST: usize = 1 << 28;

/// What a file leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Symmetry {
    General,
    /// The upper triangle is that below the diagonal,
    Symmetric,
    /// or its negative; then the diagonal is left out too.
    Skew,
}

/// Reads a file of real or whole numbers, or of none, as a matrix of `dtype`: f64, or f32 where each number, or sum of those of one place, is rounded
/// once more.
pub(crate) fn read(path: &Path, dtype: DType) -> Result<Tensor> {
    let failed = |why: String| Error::file("Matrix Market", path, why);
    let text = std::fs::read_to_string(path).map_err(|why| failed(why.to_string()))?;
    let (elements, shape) = parse(&text).map_err(failed)?;
    if dtype == DType::F32
        && let Some(beyond) = elements.iter().find(|x| x.is_finite() && (**x as f32).is_infinite())
    {
        return Err(failed(format!("its number {beyond:e} is beyond the range of f32")));
    }
    Tensor::from_f64(&elements, dtype, shape)
}

/// Writes a matrix, or a vector as one column; of a value with a batch there is no file.
pub(crate) fn write(path: &Path, mut to: impl Write, name: &str, tensor: &Tensor) -> Result<()> {
    let failed = |why: String| Error::file("Matrix Market", path, why);
    let [rows, columns] = match *tensor.dims() {
        [] => [1, 1],
        [rows] => [rows, 1],
        [rows, columns] => [rows, columns],
        _ => {
            return Err(failed(format!(
                "{name} has shape {:?}: take a .npy, .npz or .safetensors file",
                tensor.dims()
            )));
        }
    };
    let elements = tensor.to_f64_vec()?;
    let mut text = format!("%%MatrixMarket matrix array real general\n{rows} {columns}\n");
    for column in 0..columns {
        for row in 0..rows {
            // The fewest digits that give the same f64 again.
            let _ = writeln!(text, "{:e}", elements[row * columns + column]);
        }
    }
    to.write_all(text.as_bytes()).map_err(|why| failed(why.to_string()))
}

/// The elements, row-major, and the shape.
fn parse(text: &str) -> std::result::Result<(Vec<f64>, [usize; 2]), String> {
    let (header, _) = text.split_once('\n').unwrap_or((text, ""));
    let words: Vec<String> = header.split_whitespace().take(6).map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let &["%%matrixmarket", "matrix", format, field, symmetry] = &words[..] else {
        let expected =
            "%%MatrixMarket matrix coordinate|array real|integer|pattern general|symmetric|skew-symmetric";
        return Err(format!("its first line is not {expected}"));
    };
    let pattern = field == "pattern";
    if !pattern && !["real", "double", "integer"].contains(&field) {
        return Err(format!("its numbers are {}, not real, integer or pattern", short(field)));
    }
    if pattern && (format == "array" || symmetry == "skew-symmetric") {
        return Err(format!(
            "it is a pattern, of which there is none that is {}",
            match format {
                "array" => "an array",
                _ => "skew-symmetric",
            }
        ));
    }
    let symmetry = match symmetry {
        "general" => Symmetry::General,
        "symmetric" => Symmetry::Symmetric,
        "skew-symmetric" => Symmetry::Skew,
        other => {
            return Err(format!(
                "its symmetry is {}, not general, symmetric or skew-symmetric",
                short(other)
            ));
        }
    };
    let mut lines = text.lines().enumerate().skip(1).filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('%')
    });
    let (number, sizes) = lines.next().ok_or("it ends before the sizes")?;
    let mut sizes = Words { words: sizes.split_whitespace(), line: number + 1 };
    let [rows, columns] = [sizes.count("the number of rows")?, sizes.count("the number of columns")?];
    if symmetry != Symmetry::General && rows != columns {
        return Err(format!("it is {rows} x {columns}, and no square matrix has the symmetry that it names"));
    }
    let size = rows.checked_mul(columns).filter(|size| size.checked_mul(size_of::<f64>()).is_some());
    let size = size.ok_or_else(|| format!("{rows} x {columns} elements are more than there can be"))?;
    let matrix = Matrix { symmetry, rows, columns };
    let elements = match format {
        "coordinate" => {
            let stored = sizes.count("the number of elements")?;
            sizes.end()?;
            if size > LARGEST {
                return Err(format!(
                    "{rows} x {columns} elements are more than the {LARGEST} of a dense matrix here"
                ));
            }
            matrix.by_places(size, stored, pattern, lines)?
        }
        "array" => {
            sizes.end()?;
            // A file with a number a line has at least two bytes for each that it claims.
            if matrix.stored() > text.len() / 2 {
                return Err(format!("it is too short for {rows} x {columns} elements"));
            }
            matrix.whole(size, lines)?
        }
        other => return Err(format!("its format is {}, not coordinate or array", short(other))),
    };
    Ok((elements, [rows, columns]))
}

/// What a file is about.
struct Matrix {
    symmetry: Symmetry,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// How many elements an array file has.
    fn stored(&self) -> usize {
        let n = self.rows;
        match self.symmetry {
            Symmetry::General => n * self.columns,
            Symmetry::Symmetric => n * (n + 1) / 2,
            Symmetry::Skew => n * n.saturating_sub(1) / 2,
        }
    }

    /// Adds an element, and what it says of the other triangle.
    fn add(&self, elements: &mut [f64], [row, column]: [usize; 2], value: f64) {
        elements[row * self.columns + column] += value;
        if row != column {
            match self.symmetry {
                Symmetry::General => {}
                Symmetry::Symmetric => elements[column * self.columns + row] += value,
                Symmetry::Skew => elements[column * self.columns + row] -= value,
            }
        }
    }

    /// `row column value`, in any order, or `row column` of a pattern's ones; what is given twice is added up.
    fn by_places<'a>(
        &self,
        size: usize,
        stored: usize,
        pattern: bool,
        lines: impl Iterator<Item = (usize, &'a str)>,
    ) -> std::result::Result<Vec<f64>, String> {
        let mut elements = vec![0.0; size];
        let mut found = 0;
        for (number, line) in lines {
            let mut words = Words { words: line.split_whitespace(), line: number + 1 };
            let row = words.place("row", self.rows)?;
            let column = words.place("column", self.columns)?;
            let value = if pattern { 1.0 } else { words.value()? };
            words.end()?;
            match self.symmetry {
                Symmetry::Symmetric if row < column => {
                    return Err(words.fault("an element above the diagonal of a symmetric matrix"));
                }
                Symmetry::Skew if row <= column => {
                    return Err(words.fault("an element not below the diagonal of a skew-symmetric matrix"));
                }
                _ => self.add(&mut elements, [row, column], value),
            }
            found += 1;
        }
        if found != stored {
            return Err(format!("it says {stored} elements and has {found}"));
        }
        Ok(elements)
    }

    /// Column after column.
    fn whole<'a>(
        &self,
        size: usize,
        mut lines: impl Iterator<Item = (usize, &'a str)>,
    ) -> std::result::Result<Vec<f64>, String> {
        let mut elements = vec![0.0; size];
        // Of no rows there may be any number of columns.
        let columns = if size == 0 { 0 } else { self.columns };
        for column in 0..columns {
            let first = match self.symmetry {
                Symmetry::General => 0,
                Symmetry::Symmetric => column,
                Symmetry::Skew => column + 1,
            };
            for row in first..self.rows {
                let missing = || format!("it ends before element ({}, {})", row + 1, column + 1);
                let (number, line) = lines.next().ok_or_else(missing)?;
                let mut words = Words { words: line.split_whitespace(), line: number + 1 };
                let value = words.value()?;
                words.end()?;
                self.add(&mut elements, [row, column], value);
            }
        }
        match lines.next() {
            Some((number, _)) => Err(format!("line {}: an element too many", number + 1)),
            None => Ok(elements),
        }
    }
}

/// The words of a line.
struct Words<'a> {
    words: SplitWhitespace<'a>,
    line: usize,
}

impl Words<'_> {
    fn fault(&self, what: &str) -> String {
        format!("line {}: {what}", self.line)
    }

    fn count(&mut self, what: &str) -> std::result::Result<usize, String> {
        let word = self.words.next().ok_or_else(|| self.fault(&format!("{what} is missing")))?;
        word.parse().map_err(|_| self.fault(&format!("{what} is {}", short(word))))
    }

    /// Counted from 1 in the file, from 0 here.
    fn place(&mut self, what: &str, most: usize) -> std::result::Result<usize, String> {
        match self.count(&format!("the {what}"))? {
            place if (1..=most).contains(&place) => Ok(place - 1),
            place => Err(self.fault(&format!("{what} {place} of {most}"))),
        }
    }

    fn value(&mut self) -> std::result::Result<f64, String> {
        let word = self.words.next().ok_or_else(|| self.fault("the value is missing"))?;
        word.parse().map_err(|_| self.fault(&format!("the value is {}", short(word))))
    }

    fn end(&mut self) -> std::result::Result<(), String> {
        match self.words.next() {
            Some(word) => Err(self.fault(&format!("{} is too much", short(word)))),
            None => Ok(()),
        }
    }
}

/// The beginning of a word, which may be the whole of a hostile file.
fn short(word: &str) -> String {
    format!("{:?}", word.chars().take(24).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_symmetries_are_read() {
        let header = |rest: &str| format!("%%MatrixMarket matrix {rest}");
        for (text, elements, shape) in [
            (
                "coordinate real general\n% a comment\n2 3 2\n1 3 -1.5e2\n2 1 4\n",
                vec![0.0, 0.0, -150.0, 4.0, 0.0, 0.0],
                [2, 3],
            ),
            ("coordinate integer symmetric\n\n2 2 2\n1 1 7\n2 1 3\n", vec![7.0, 3.0, 3.0, 0.0], [2, 2]),
            ("COORDINATE Real Skew-Symmetric\n2 2 1\n2 1 3", vec![0.0, -3.0, 3.0, 0.0], [2, 2]),
            ("coordinate real general\n1 1 2\n1 1 3\n1 1 4\n", vec![7.0], [1, 1]),
            ("coordinate pattern general\n2 2 2\n1 2\n2 2\n", vec![0.0, 1.0, 0.0, 1.0], [2, 2]),
            ("coordinate pattern symmetric\n2 2 2\n1 1\n2 1\n", vec![1.0, 1.0, 1.0, 0.0], [2, 2]),
            ("array real general\n2 2\n1\n2\n\n3\n4\n", vec![1.0, 3.0, 2.0, 4.0], [2, 2]),
            ("array real symmetric\n2 2\n1\n2\n3\n", vec![1.0, 2.0, 2.0, 3.0], [2, 2]),
            (
                "array integer skew-symmetric\n3 3\n1\n2\n3\n",
                vec![0.0, -1.0, -2.0, 1.0, 0.0, -3.0, 2.0, 3.0, 0.0],
                [3, 3],
            ),
            ("array real general\n0 5\n", vec![], [0, 5]),
            ("array real general\n0 18446744073709551615\n", vec![], [0, usize::MAX]),
        ] {
            assert_eq!(parse(&header(text)).unwrap(), (elements, shape), "{text}");
        }
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let header = |rest: &str| format!("%%MatrixMarket matrix {rest}");
        for (text, part) in [
            (String::new(), "its first line is not"),
            ("%%MatrixMarket tensor array real general\n1 1\n1\n".to_owned(), "its first line is not"),
            (header("array complex general\n1 1\n1 0\n"), "its numbers are \"complex\""),
            (header("coordinate pattern general\n1 1 1\n1 1 1\n"), "line 3: \"1\" is too much"),
            (header("coordinate pattern skew-symmetric\n2 2 1\n2 1\n"), "none that is skew-symmetric"),
            (header("array pattern general\n1 1\n1\n"), "none that is an array"),
            (header("array real hermitian\n1 1\n1\n"), "its symmetry is \"hermitian\""),
            (header("sparse real general\n1 1\n1\n"), "its format is \"sparse\""),
            (header("array real general\n% only comments\n"), "ends before the sizes"),
            (header("array real general\n2\n1\n"), "line 2: the number of columns is missing"),
            (header("array real general\n-1 2\n1\n"), "line 2: the number of rows is \"-1\""),
            (header("array real general\n2 2 9\n1\n2\n3\n4\n"), "line 2: \"9\" is too much"),
            (header("array real symmetric\n2 3\n1\n"), "2 x 3, and no square matrix"),
            (header("array real general\n2 2\n1\n2\n3\n"), "it ends before element (2, 2)"),
            (header("array real general\n1 1\n1\n2\n"), "line 4: an element too many"),
            (header("array real general\n1 1\n1 2\n"), "line 3: \"2\" is too much"),
            (header("array real general\n1 1\none\n"), "line 3: the value is \"one\""),
            (header("array real general\n99999 99999\n1\n"), "too short for 99999 x 99999"),
            (header("array real general\n18446744073709551615 2\n1\n"), "more than there can be"),
            (header("coordinate real general\n1000000000 1000000000 1\n1 1 1\n"), "more than the"),
            (header("coordinate real general\n2 2 1\n0 1 1\n"), "line 3: row 0 of 2"),
            (header("coordinate real general\n2 2 1\n1 3 1\n"), "line 3: column 3 of 2"),
            (header("coordinate real general\n2 2 1\n1 1\n"), "line 3: the value is missing"),
            (header("coordinate real general\n2 2 3\n1 1 1\n"), "it says 3 elements and has 1"),
            (header("coordinate real symmetric\n2 2 1\n1 2 1\n"), "line 3: an element above the diagonal"),
            (header("coordinate real skew-symmetric\n2 2 1\n1 1 1\n"), "line 3: an element not below"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(part) && error.len() < 200, "{text}: {error}");
        }
        let long = header(&format!("array real general\n1 1\n{}\n", "x".repeat(1 << 20)));
        assert!(parse(&long).unwrap_err().len() < 100);
    }
}
