//! `tilewright search`, from files to files.

use std::path::Path;

use serde_json::Value;
use tilewright_core::{Boolean, Tensor, read_safetensors, write_safetensors};

fn tilewright(arguments: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let code =
        tilewright_cli::run(&[], std::iter::once("tilewright").chain(arguments.iter().copied()), &mut out);
    (code, String::from_utf8(out).unwrap())
}

fn json(arguments: &[&str]) -> Value {
    let (code, out) = tilewright(&[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{out}");
    serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}"))
}

/// The exit code and the words of the program itself.
#[cfg(feature = "parquet")]
fn refused(arguments: &[&str]) -> (i32, String) {
    let program =
        std::process::Command::new(env!("CARGO_BIN_EXE_tilewright")).args(arguments).output().unwrap();
    (program.status.code().unwrap(), String::from_utf8(program.stderr).unwrap())
}

/// Vectors on a circle, one after another.
fn circle(rows: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| [(row as f32 * 0.1).cos(), (row as f32 * 0.1).sin()]).collect()
}

fn fvecs(path: &Path, vectors: &[f32], d: usize) {
    let bytes = vectors.chunks(d).flat_map(|vector| {
        let length = (d as i32).to_le_bytes();
        length.into_iter().chain(vector.iter().flat_map(|x| x.to_le_bytes()))
    });
    std::fs::write(path, bytes.collect::<Vec<u8>>()).unwrap();
}

#[test]
fn an_index_is_built_filled_queried_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (index, faiss, early, late, out) =
        (at("i"), at("i.faiss"), at("a.fvecs"), at("b.safetensors"), at("o.npz"));
    fvecs(early.as_ref(), &circle(40), 2);
    let all = circle(60);
    let tensor = Tensor::from_slice(&all[80..], [20, 2]).unwrap();
    write_safetensors(&late, [("vectors", &tensor)]).unwrap();
    for path in [&index, &faiss] {
        let built = json(&["search", "build", path, "--input", &early, "--recipe", "IVF4,Flat"]);
        assert_eq!(built["vectors"], 40);
        assert_eq!(json(&["search", "add", path, "--input", &late])["vectors"], 60);
        let info = json(&["search", "info", path, "--verify"]);
        assert_eq!((&info["recipe"], &info["vectors"]), (&"IVF4,Flat".into(), &60.into()));
        let found = json(&["search", "query", path, "--input", &late, "-k", "3", "--nprobe", "4"]);
        assert_eq!(found.as_array().unwrap().len(), 20);
        // The neighbours of a point of the circle are itself and those beside it.
        assert_eq!(found[5]["ids"][0], 45);
        let mut beside = [found[5]["ids"][1].as_i64().unwrap(), found[5]["ids"][2].as_i64().unwrap()];
        beside.sort_unstable();
        assert_eq!(beside, [44, 46]);
        let points = json(&["search", "eval", path, "--input", &early, "-k", "5"]);
        assert_eq!(points[2]["nprobe"], 4);
        assert_eq!(points[2]["recall"], 1.0);
        assert!(
            points[0]["recall"].as_f64().unwrap() < 1.0
                && points[0]["queries_per_second"].as_f64().unwrap() > 0.0
        );
    }
    let page = at("o.html");
    let points = json(&["search", "eval", &index, "--input", &early, "--recall", "0.5,1", "--report", &page]);
    assert!(points.as_array().unwrap().iter().all(|point| point["recall"].as_f64().unwrap() >= 0.5));
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("<svg") && page.contains("IVF4,Flat, 60 vectors of length 2"), "{page}");
    assert_eq!(tilewright(&["search", "query", &index, "--input", &early, "--output", &out]).0, 0);
    assert!(Path::new(&out).is_file());
    let tensors = at("o.safetensors");
    assert_eq!(tilewright(&["search", "query", &index, "--input", &early, "--output", &tensors]).0, 0);
    assert_eq!(read_safetensors(&tensors).unwrap()["ids"].dims(), [40, 10]);
}

#[test]
fn a_query_finds_what_it_is_allowed_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (index, points) = (at("i"), at("a.fvecs"));
    fvecs(points.as_ref(), &circle(60), 2);
    json(&["search", "build", &index, "--input", &points, "--recipe", "IVF4,Flat"]);
    let query = ["search", "query", &index, "--input", &points, "-k", "12", "--nprobe", "4"];
    let found = |option: &str, ids: &str| json(&[&query[..], &[option, ids]].concat());
    let (own, listed, flags, others) =
        (10..20, at("ids.safetensors"), at("flags.safetensors"), at("o.safetensors"));
    let tensor = Tensor::from_vec(own.clone().rev().collect::<Vec<i64>>(), [10]).unwrap();
    write_safetensors(&listed, [("ids", &tensor)]).unwrap();
    // As long as they have to be: an id beyond is as one that is not set.
    for (path, n, denied) in [(&flags, 20, false), (&others, 60, true)] {
        let set: Vec<Boolean> = (0..n).map(|id| Boolean::from(own.contains(&id) != denied)).collect();
        write_safetensors(path, [("ids", &Tensor::from_slice(&set, [set.len()]).unwrap())]).unwrap();
    }
    let range = found("--allow", "10..20");
    for (number, query) in range.as_array().unwrap().iter().enumerate() {
        let ids: Vec<i64> = serde_json::from_value(query["ids"].clone()).unwrap();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, own.clone().collect::<Vec<_>>());
        // The nearest of a point that may be found is itself.
        assert!(!own.contains(&(number as i64)) || ids[0] == number as i64);
    }
    for (option, ids) in
        [("--allow", "10..=19"), ("--allow", &listed), ("--allow", &flags), ("--deny", &others)]
    {
        assert_eq!(found(option, ids), range, "{option} {ids}");
    }
    assert_eq!(found("--allow", "..20")[0]["ids"].as_array().unwrap().len(), 12);
    assert_eq!(found("--deny", "3..")[0]["ids"].as_array().unwrap().len(), 3);
    assert_eq!(found("--allow", "100..")[0]["ids"].as_array().unwrap().len(), 0);
    let nowhere = at("nowhere.npy");
    let wrong: [&[&str]; 5] = [
        &["--allow", "20..10"],
        &["--deny", "7..7"],
        &["--allow", &nowhere],
        &["--allow", &points],
        &["--allow", "1..2", "--deny", "3..4"],
    ];
    for wrong in wrong {
        assert_eq!(tilewright(&[&query[..], wrong].concat()).0, 2, "{wrong:?}");
    }
}

#[test]
fn indexes_by_codes_are_measured_against_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (index, points) = (at("i.faiss"), at("a.fvecs"));
    fvecs(points.as_ref(), &circle(60), 2);
    for (recipe, refined) in [("IVF4,PQ2x4fs", false), ("IVF4,PQ2x4fs,RFlat", true), ("PQ1x4", false)] {
        assert_eq!(json(&["search", "build", &index, "--input", &points, "--recipe", recipe])["vectors"], 60);
        assert_eq!(json(&["search", "info", &index])["recipe"], recipe);
        let eval = ["search", "eval", &index, "--input", &points, "-k", "5"];
        let recalls: Vec<f64> = json(&[&eval[..], &["--vectors", &points, "--refine", "12"]].concat())
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["recall"].as_f64().unwrap())
            .collect();
        assert_eq!(*recalls.last().unwrap() == 1.0, refined, "{recipe}: {recalls:?}");
        // Codes alone do not tell what is nearest.
        assert_eq!(tilewright(&eval).0, if refined { 0 } else { 2 });
    }
}

#[test]
fn every_kind_of_index_is_built_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (index, points, bits) = (at("i"), at("a.fvecs"), at("b.bvecs"));
    let wide: Vec<f32> =
        circle(320).chunks(2).flat_map(|p| [p[0], p[1], p[0] * 2.0, 1.0, 0.5, p[1], 0.0, p[0]]).collect();
    fvecs(points.as_ref(), &wide, 8);
    for recipe in ["SQ8", "IVF4,SQ6", "PCA4,IVF4,SQ4,RFlat", "OPQ2,PQ2x4,RFlat", "RR8,IVF2,RaBitQ,RFlat"] {
        assert_eq!(
            json(&["search", "build", &index, "--input", &points, "--recipe", recipe])["vectors"],
            320
        );
        assert_eq!(json(&["search", "info", &index, "--verify"])["recipe"], recipe);
        let eval =
            ["search", "eval", &index, "--input", &points, "-k", "3", "--vectors", &points, "--refine", "20"];
        let points = json(&eval);
        let last = points.as_array().unwrap().last().unwrap()["recall"].as_f64().unwrap();
        assert!(last > 0.6, "{recipe}: {last}");
    }
    let rows: Vec<u8> = (0..40u8).flat_map(|row| [2, 0, 0, 0, row, row.wrapping_mul(37)]).collect();
    std::fs::write(&bits, rows).unwrap();
    assert_eq!(json(&["search", "build", &index, "--input", &bits, "--recipe", "BFlat"])["vectors"], 40);
    let found = json(&["search", "query", &index, "--input", &bits, "-k", "1"]);
    assert_eq!((&found[7]["ids"][0], &found[7]["distances"][0]), (&7.into(), &0.0.into()));
    assert_eq!(json(&["search", "eval", &index, "--input", &bits])[0]["recall"], 1.0);
    assert_eq!(tilewright(&["search", "build", &index, "--input", &points, "--recipe", "BFlat"]).0, 2);
}

#[test]
fn neighbours_in_a_file_are_those_in_an_index_however_many_rows_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (index, points, array) = (at("i"), at("a.fvecs"), at("a.npy"));
    fvecs(points.as_ref(), &circle(100), 2);
    let mut header =
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (100, 2), }".to_vec();
    header.resize(128, b' ');
    header.extend(circle(100).iter().flat_map(|x| x.to_le_bytes()));
    std::fs::write(&array, &header).unwrap();
    json(&["search", "build", &index, "--input", &array]);
    let found = json(&["search", "query", &index, "--input", &points, "-k", "7"]);
    for rows in ["1", "13", "100", "1000"] {
        for place in [&points, &array] {
            let own = ["search", "exact", place, "--input", &points, "-k", "7", "--rows", rows];
            assert_eq!(json(&own), found, "{place}, {rows}");
        }
    }
    assert_eq!(tilewright(&["search", "exact", &points, "--input", &points, "--bits"]).0, 2);
    for table in TABLES {
        table_of_points(table, &points);
    }
}

/// Tables with names beside the points of a circle, some rows at a time, by pyarrow.
const TABLES: &[&str] = &[
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/circle.arrow"),
    #[cfg(feature = "parquet")]
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/circle.parquet"),
];

/// The points of a table are those of a file, and whatever becomes of its bytes is no panic.
fn table_of_points(table: &str, points: &str) {
    let folder = tempfile::tempdir().unwrap();
    let ending = Path::new(table).extension().unwrap().to_str().unwrap();
    for place in [table.to_owned(), format!("{table}#v")] {
        let own = json(&["search", "exact", &place, "--input", points, "-k", "1", "--rows", "33"]);
        for (row, own) in own.as_array().unwrap().iter().enumerate() {
            assert_eq!(own["ids"][0], row);
            // Sines of another library may differ in the last bit.
            assert!(own["distances"][0].as_f64().unwrap() < 1e-9);
        }
    }
    let whole = std::fs::read(table).unwrap();
    let bad = folder.path().join("bad").with_extension(ending).to_str().unwrap().to_owned();
    assert_eq!(tilewright(&["search", "exact", &format!("{table}#name"), "--input", points]).0, 2);
    for cut in (0..whole.len()).step_by(31) {
        std::fs::write(&bad, &whole[..cut]).unwrap();
        assert_eq!(tilewright(&["search", "exact", &bad, "--input", points]).0, 2, "{cut}");
        // Anything but a panic.
        let mut other = whole.clone();
        other[cut] ^= 0x5a;
        std::fs::write(&bad, &other).unwrap();
        tilewright(&["search", "exact", &bad, "--input", points]);
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_compressed_column_is_read_and_an_unknown_codec_named() {
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::FloatType;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (points, table, other) = (at("a.fvecs"), at("a.parquet"), at("b.parquet"));
    fvecs(points.as_ref(), &circle(500), 2);
    let schema = "message m { required group v (LIST) { repeated group list { required float element; } } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(zstd).build());
    let mut writer =
        SerializedFileWriter::new(std::fs::File::create(&table).unwrap(), schema, properties).unwrap();
    // Two groups of rows; an element begins a list or goes on with it.
    for rows in circle(500).chunks(600) {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let (there, begins) = (vec![1; rows.len()], [0, 1].repeat(rows.len() / 2));
        column.typed::<FloatType>().write_batch(rows, Some(&there), Some(&begins)).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    let found = json(&["search", "exact", &table, "--input", &points, "-k", "1"]);
    for (row, own) in found.as_array().unwrap().iter().enumerate() {
        assert_eq!((&own["ids"][0], &own["distances"][0]), (&row.into(), &0.0.into()));
    }
    // The codec stands in the footer after the names of the column: 6, or as here 2, is twice that as a number with a sign.
    let (named, gzip) = (b"\x07element\x15\x0c", b"\x07element\x15\x04");
    let mut bytes = std::fs::read(&table).unwrap();
    let places: Vec<usize> = (0..bytes.len() - 10).filter(|&at| bytes[at..].starts_with(named)).collect();
    assert_eq!(places.len(), 2);
    places.into_iter().for_each(|at| bytes[at..at + gzip.len()].copy_from_slice(gzip));
    std::fs::write(&other, bytes).unwrap();
    let (code, error) = refused(&["search", "exact", &other, "--input", &points]);
    assert!(code == 2 && error.contains("column \"v\" compressed by GZIP"), "{error}");
}

#[test]
fn vectors_of_bytes_and_of_whole_numbers_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (index, bytes, numbers) = (at("i"), at("a.bvecs"), at("a.ivecs"));
    std::fs::write(&bytes, [3, 0, 0, 0, 1, 2, 255, 3, 0, 0, 0, 7, 8, 9]).unwrap();
    let ints: Vec<u8> = [3i32, 1, 2, 255, 3, 7, 8, -9].iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(&numbers, ints).unwrap();
    assert_eq!(json(&["search", "build", &index, "--input", &bytes])["vectors"], 2);
    let found = json(&["search", "query", &index, "--input", &numbers, "-k", "1"]);
    assert_eq!((&found[0]["distances"][0], &found[1]["distances"][0]), (&0.0.into(), &324.0.into()));
}

#[test]
fn an_index_of_made_vectors_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let record = format!("--record={}", folder.path().display());
    let measured = json(&[
        "search",
        "bench",
        "--recipe",
        "IVF8,Flat",
        "--recipe",
        "IVF8,PQ4",
        "--rows",
        "3000",
        "--dimension",
        "32",
        "--batch",
        "50,1",
        "--judged",
        "20",
        "--recall",
        "0.9,1",
        &record,
        "--host",
        "here",
    ]);
    let (flat, coded) = (&measured["indexes"][0], &measured["indexes"][1]);
    let points = flat["points"].as_array().unwrap();
    assert_eq!(points.len(), 4);
    for point in points {
        assert!(point["recall"].as_f64().unwrap() >= point["wanted"].as_f64().unwrap());
        assert!(point["queries_per_second"].as_f64().unwrap() > 0.0 && point["gbs"].as_f64().unwrap() > 0.0);
    }
    // Codes of four bytes do not tell the very nearest from the next.
    assert_eq!(coded["beyond"].as_array().unwrap().last().unwrap(), 1.0);
    let record = std::fs::read_dir(folder.path().join("here")).unwrap().next().unwrap().unwrap();
    let record = std::fs::read_to_string(record.path()).unwrap();
    assert!(record.contains("\"n3000_d32_IVF8,Flat_b50_k10_recall=0.9\""), "{record}");
}

/// An index of no library: from LISTS lists on it finds the exact neighbours, before that nothing.
const PEER: &str = r#"
import array, json, sys

def load(path, d):
    data = open(path, "rb").read()
    x = array.array("f", data[10 + int.from_bytes(data[8:10], "little"):])
    return [x[at:at + d] for at in range(0, len(x), d)]

def save(path, code, descr, values, shape):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (descr, shape)
    head = head.ljust(117) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
        array.array(code, values).tofile(file)

print(json.dumps({"library": "stub LISTS"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    if request["op"] == "index":
        if LISTS == 0:
            answer = {"error": "ValueError: has no " + request["recipe"]}
        else:
            d, k, folder = request["dimension"], request["k"], request["folder"]
            open(SEEN, "w").write(request["vectors"])
            vectors, queries = load(request["vectors"], d), load(request["queries"], d)
            answer = {"knows": True, "train_ms": 2500.0, "add_ms": 1500.0}
    elif request["op"] == "aim":
        nprobe, batch = request["nprobe"], request["batch"]
    elif request["op"] == "outputs":
        distances, ids = [], []
        for q in queries[:batch]:
            far = sorted((sum((a - b) ** 2 for a, b in zip(q, x)), i) for i, x in enumerate(vectors))[:k]
            distances += [distance for distance, _ in far]
            ids += [i if nprobe >= LISTS else -1 for _, i in far]
        save(folder + "/d.npy", "f", "<f4", distances, (batch, k))
        save(folder + "/i.npy", "q", "<i8", ids, (batch, k))
        answer = {"outputs": [{"file": folder + "/d.npy", "dtype": None}, {"file": folder + "/i.npy", "dtype": None}]}
    elif request["op"] == "sample":
        answer = {"wall_ms": 1.5, "device_ms": None}
    print(json.dumps(answer), flush=True)
"#;

#[test]
fn other_libraries_indexes_are_judged_at_the_recall_and_timed_beside() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let seen = at("seen");
    for (name, lists) in [("right", 3), ("never", 99), ("lacks", 0)] {
        let script = PEER.replace("LISTS", &lists.to_string()).replace("SEEN", &format!("{seen:?}"));
        std::fs::write(at(&format!("peer_{name}.py")), script).unwrap();
    }
    let none = "print('{\"library\": \"none\"}', flush=True)\nwhile input(): print('{\"knows\": false}', flush=True)";
    std::fs::write(at("peer_none.py"), none).unwrap();
    std::fs::write(at("peer_gone.py"), "import no_such_library").unwrap();
    let (scripts, record) = (at(""), format!("--record={}", folder.path().display()));
    let options =
        ["search", "bench", "--recipe", "IVF8,Flat", "--rows", "400", "--dimension", "8", "--batch", "10,1"];
    let options = [&options[..], &["--recall", "0.9", "-k", "3", "--budget", "1", "--peers"]].concat();
    let options = [&options[..], &["--peer-scripts", &scripts, &record, "--host", "here"]].concat();
    let measured = json(&options);
    let index = &measured["indexes"][0];
    for point in index["points"].as_array().unwrap() {
        let peers = point["peers"].as_array().unwrap();
        assert_eq!(peers.len(), 1, "{measured}");
        assert_eq!((&peers[0]["name"], &peers[0]["nprobe"]), (&"stub 3".into(), &3.into()));
        assert_eq!((&peers[0]["recall"], &peers[0]["milliseconds"]), (&1.0.into(), &1.5.into()));
    }
    let built = index["peers"].as_array().unwrap();
    assert_eq!((&built[1]["name"], &built[1]["train_seconds"]), (&"stub 3".into(), &2.5.into()));
    assert_eq!((&built[0]["name"], &built[0]["beyond"]), (&"stub 99".into(), &serde_json::json!([0.9])));
    let absent = measured["absent"].to_string();
    assert!(absent.contains("IVF8,Flat by stub 0") && absent.contains("has no IVF8,Flat"), "{absent}");
    assert!(absent.contains("gone: ") && !absent.contains("none"), "{absent}");
    let rows = std::fs::read_dir(at("here")).unwrap().next().unwrap().unwrap().path();
    let rows = tilewright_check::read_record(&rows).unwrap();
    let ours = rows.iter().find(|row| row.case == "n400_d8_IVF8,Flat_b1_k3_recall=0.9").unwrap();
    assert!(ours.variant.starts_with("nprobe=") && ours.verdict == "pass");
    assert_eq!(tilewright_check::best_peer(&rows, ours), Some(1.5));
    assert!(rows.iter().any(|row| row.variant == "stub 3, nprobe=3" && row.verdict == "pass"));
    assert!(
        !Path::new(&std::fs::read_to_string(seen).unwrap()).exists(),
        "files between programs go when they end"
    );
    assert_eq!(tilewright(&["search", "bench", "--rows", "100", "--peers", "--peer-scripts", "absent"]).0, 2);
}

#[test]
fn what_cannot_be_done_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (index, vectors, cut, out) = (at("i"), at("a.fvecs"), at("cut.fvecs"), at("o.npy"));
    fvecs(vectors.as_ref(), &circle(10), 2);
    std::fs::write(&cut, &std::fs::read(&vectors).unwrap()[..25]).unwrap();
    assert_eq!(tilewright(&["search", "build", &index, "--input", &vectors]).0, 0);
    for arguments in [
        &["search", "build", &index, "--input", &vectors, "--recipe", "HNSW"][..],
        &["search", "build", &index, "--input", &vectors, "--recipe", "IVF11,Flat"],
        &["search", "build", &index, "--input", &cut],
        &["search", "query", &vectors, "--input", &vectors],
        &["search", "query", &index, "--input", &vectors, "--output", &out],
        &["search", "eval", &index, "--input", &vectors, "--nprobe", "2"],
        &["search", "info", &at("absent")],
    ] {
        assert_eq!(tilewright(arguments).0, 2, "{arguments:?}");
    }
}
