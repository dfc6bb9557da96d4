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
from tilewright.kernels.linalg import randomized_svd

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


def low_rank(t, matrix, rank, device):
    """A model by randomised SVD, and its error by rank beside the least that any matrix of such a rank has (Eckart and Young, 1936)."""
    model = timed(
        f"randomized_svd: rank {rank}",
        lambda: randomized_svd(t, rank=rank),
        device,
        lambda found: np.abs(np.array(found.vt.to("cpu"), float) @ np.array(found.vt.to("cpu"), float).T - np.eye(rank)).max(),
    )
    u, s, vt = (np.array(part.to("cpu"), float) for part in (model.u, model.s, model.vt))
    exact = matrix.astype(float)
    squares = np.maximum(np.linalg.eigvalsh(exact.T @ exact if exact.shape[1] < exact.shape[0] else exact @ exact.T)[::-1], 0)
    for k in sorted({1, 4, 16, rank} & set(range(1, rank + 1))):
        error = np.linalg.norm(exact - (u[:, :k] * s[:k]) @ vt[:k]) / np.linalg.norm(exact)
        print(f"  of rank {k:2} it is off by {100 * error:.3f} %, where {100 * math.sqrt(squares[k:].sum() / squares.sum()):.3f} % is the least")


def rebuilt(space, neighbours, device):
    """Each passage as a sum of its neighbours: one small system each, solved as a batch (Roweis and Saul, "Locally linear embedding", 2000)."""
    unit = space / np.maximum(np.linalg.norm(space, axis=1, keepdims=True), 1e-30)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    near = np.argsort(-alike, axis=1, kind="stable")[:, :neighbours]
    ways = (unit[near] - unit[:, None]).astype(float)
    systems = ways @ ways.transpose(0, 2, 1)
    systems += np.maximum(1e-3 * np.trace(systems, axis1=1, axis2=2) / neighbours, 1e-7)[:, None, None] * np.eye(neighbours)
    systems = systems.astype(np.float32)
    ones = np.ones((len(unit), neighbours, 1), np.float32)

    def residual(x):
        x = np.array(x.to("cpu"), float)
        size = np.abs(systems).sum(1).max(1) * np.abs(x[..., 0]).sum(1)
        return (np.abs(ones - systems @ x)[..., 0].sum(1) / size).max()

    a, b = (tilewright.asarray(part, device=device) for part in (systems, ones))
    weights = np.array(timed(f"solve: {len(unit)} systems of {neighbours}", lambda: linalg.solve(a, b), device, residual).to("cpu"), float)[..., 0]
    made = np.einsum("pk,pkd->pd", weights / weights.sum(1, keepdims=True), unit[near])
    nearest, distance = (np.linalg.norm(unit - other, axis=1).mean() for other in (unit[near[:, 0]], made))
    print(f"  so rebuilt, passages are {distance:.3f} away on average, where the nearest neighbour is {nearest:.3f}")


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
    low_rank(t, matrix, min(k, matrix.shape[1]), device)
    space = np.ascontiguousarray(vectors * np.sqrt(np.maximum(values, 0)), np.float32)
    rebuilt(space, min(16, len(found) - 1), device)
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
