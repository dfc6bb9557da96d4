"""The main job, from Python: text, TF-IDF, a latent space, a search in it, and a plot. The command `tilewright tour` also trains a language model.

    python -m tilewright.tour [FOLDER] [--query "..."] [--device cuda:0] [--plot tour.svg]

Each step says what ran, how long it took, and its error against NumPy in f64. Needs NumPy.
"""

import argparse
import html
import math
import pathlib
import re
import time

import numpy as np

import tilewright
from tilewright import linalg

SUFFIXES = {".md", ".rst", ".txt", ".py", ".rs"}


def passages(folder, least=200):
    """Paragraphs of the folder's texts, with the file that each is from."""
    found = []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix in SUFFIXES and path.is_file() and not any(part.startswith(".") or part == "target" for part in path.parts[:-1] if part != ".."):
            for paragraph in re.split(r"\n\s*\n", path.read_text("utf-8", errors="replace")):
                if len(paragraph) >= least:
                    found.append((path, paragraph))
    return found


def words(text):
    return re.findall(r"[a-z]{3,}", text.lower())


def tf_idf(texts, most=2000):
    """Rows of unit length, and what makes one of another text."""
    counts = {}
    for text in texts:
        for word in set(words(text)):
            counts[word] = counts.get(word, 0) + 1
    kept = sorted((word for word in counts if counts[word] > 1), key=lambda word: (-counts[word], word))[:most]
    place = {word: at for at, word in enumerate(kept)}
    weight = np.array([math.log(len(texts) / counts[word]) + 1 for word in kept])

    def row(text):
        vector = np.zeros(len(kept))
        for word in words(text):
            if word in place:
                vector[place[word]] += 1
        vector = np.log1p(vector) * weight
        return vector / max(np.linalg.norm(vector), 1e-30)

    return np.array([row(text) for text in texts], np.float32), row


def timed(name, call, device, error):
    start = time.perf_counter()
    result = call()
    milliseconds = (time.perf_counter() - start) * 1e3
    print(f"{name:32} {device!s:10} {milliseconds:9.2f} ms   error {error(result):.1e}")
    return result


def plot(path, points, hits, query, labels):
    """The first two axes of the latent space as SVG: every passage, the hits, the query."""
    low, high = points.min(0), points.max(0)
    size, margin = 640, 40
    at = lambda point: margin + (point - low) / np.maximum(high - low, 1e-12) * (size - 2 * margin)
    shapes = []
    for point, label in zip(points, labels, strict=True):
        x, y = at(point)
        shapes.append(f'<circle cx="{x:.1f}" cy="{size - y:.1f}" r="2.5" fill="#7a8aa0" fill-opacity=".5"><title>{html.escape(label)}</title></circle>')
    for rank, hit in enumerate(hits, 1):
        x, y = at(points[hit])
        shapes.append(f'<circle cx="{x:.1f}" cy="{size - y:.1f}" r="6" fill="#d1495b"/><text x="{x + 9:.1f}" y="{size - y + 4:.1f}">{rank}</text>')
    x, y = np.clip(at(query), margin, size - margin)
    shapes.append(f'<path d="M{x - 7:.1f} {size - y:.1f}h14m-7-7v14" stroke="#00798c" stroke-width="3"/>')
    style = "font: 13px sans-serif"
    title = f"{len(points)} passages by the first two directions of their latent space; red: the hits; cross: the query"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" style="{style}"><rect width="100%" height="100%" fill="white"/>'
        f'{"".join(shapes)}<text x="{margin}" y="22">{title}</text></svg>\n',
        "utf-8",
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tilewright.tour", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=".", help="whose texts are read")
    parser.add_argument("--query", default="how is a kernel judged against the truth")
    parser.add_argument("--device", help="where kernels run: the CPU by default")
    parser.add_argument("--plot", type=pathlib.Path, default=pathlib.Path("tour.svg"))
    options = parser.parse_args(arguments)
    found = passages(options.folder)
    if len(found) < 8:
        parser.error(f"{options.folder} has {len(found)} passages of text, expected at least 8")
    device = tilewright.Device(options.device or "cpu")
    matrix, row = tf_idf([text for _, text in found])
    print(f"{len(found)} passages, {matrix.shape[1]} words")
    t = tilewright.asarray(matrix, device=device)
    gram = timed("matmul: passages x passages", lambda: linalg.matmul(t, t.mT).to("cpu"), device, lambda g: np.abs(np.array(g) - matrix.astype(float) @ matrix.T).max())
    gram = np.array(gram)

    def worst(result):
        values, vectors = (np.array(part.to("cpu"), float) for part in result)
        return np.abs(gram @ vectors - vectors * values).max() / values.max()

    values, vectors = timed("eigh: the latent space", lambda: linalg.eigh(tilewright.asarray(gram, device=device)), device, worst)
    k = min(32, len(found) - 1)
    values, vectors = np.array(values.to("cpu"))[::-1][:k], np.array(vectors.to("cpu"))[:, ::-1][:, :k]
    space = np.ascontiguousarray(vectors * np.sqrt(np.maximum(values, 0)), np.float32)
    query = (row(options.query).astype(np.float32) @ matrix.T @ vectors / np.sqrt(np.maximum(values, 1e-12))).astype(np.float32)[None]
    index = tilewright.Index(k, metric="cosine")
    index.add(space)
    exact = 1 - (space.astype(float) @ query[0]) / np.maximum(np.linalg.norm(space, axis=1) * np.linalg.norm(query), 1e-30)
    snapshot = index.snapshot(device)
    distances, ids = timed("search: nearest passages", lambda: snapshot.search(query, 5), device, lambda r: np.abs(r[0][0] - np.sort(exact)[:5]).max())
    print(f"\n{options.query!r} finds")
    for rank, (distance, hit) in enumerate(zip(distances[0], ids[0], strict=True), 1):
        path, text = found[hit]
        print(f"  {rank}. {distance:.3f} {path}: {' '.join(text.split())[:90]}")
    plot(options.plot, space[:, 1:3], ids[0], query[0, 1:3], [str(path) for path, _ in found])
    print(f"\n{options.plot} shows where they lie")


if __name__ == "__main__":
    main()
