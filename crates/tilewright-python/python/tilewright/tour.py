"""The main jobs on real text, from Python, as the command `tilewright tour` has them: TF-IDF, a latent space by subspace iteration, a search in an index file, a model of low
rank and a batch of systems, a language model that learns the text and writes; with a plot.

    python -m tilewright.tour [FOLDER] [--query "..."] [--device cuda:0] [--rank 64] [--learn 5] [--plot tour.svg]

Each step says what ran, how long it took, and its error against NumPy in f64. Needs NumPy.
"""

import argparse
import html
import math
import pathlib
import re
import tempfile
import time

import numpy as np

import tilewright
from tilewright import gemm, linalg
from tilewright.kernels.linalg import subspace_iteration
from tilewright.lm import LanguageModel, Trainer

SUFFIXES = {".md", ".rst", ".txt", ".py", ".rs"}
PASSAGES, TERMS = 4000, 6000
# Vectors iterated beyond the rank, the residual over the largest value that ends the iteration, and its steps at most.
OVERSAMPLING, TOLERANCE, ITERATIONS = 32, 1e-3, 100
MODEL = {"vocab_size": 256, "hidden_size": 64, "num_hidden_layers": 2, "num_heads": 2, "eos_token_id": None, "bos_token_id": None, "pad_token_id": None}


def passages(folder, least=200, most=PASSAGES):
    """Paragraphs of the folder's texts, with the file that each is from; evenly spread where there are more than `most`."""
    found = []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix in SUFFIXES and path.is_file() and not any(part.startswith(".") or part == "target" for part in path.parts[:-1] if part != ".."):
            for paragraph in re.split(r"\n\s*\n", path.read_text("utf-8", errors="replace")):
                if len(paragraph) >= least:
                    found.append((path, paragraph))
    return [found[at * len(found) // most] for at in range(most)] if len(found) > most else found


def words(text):
    return re.findall(r"[a-z]{3,}", text.lower())


def tf_idf(texts, most=TERMS):
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


def told(name, device, seconds, error=None, note=""):
    error = "" if error is None else f"   error {error:.1e}"
    print(f"{name:36} {device!s:9} {seconds * 1e3:10.2f} ms{error}{note}")


def host(tensor):
    return np.array(tensor.to("cpu"))


def latent_space(matrix, rank, device):
    """The leading directions `[terms, rank]` and the passages `[passages, rank]`, by subspace iteration."""
    start = time.perf_counter()
    a = tilewright.asarray(matrix, device=device)
    oversample = min(rank + OVERSAMPLING, *matrix.shape) - rank
    found = subspace_iteration(a, rank=rank, oversample=oversample, tolerance=TOLERANCE, iterations=ITERATIONS, seed=1)
    values, directions = host(found.s).astype(float), np.ascontiguousarray(host(found.vt).T)
    latent = host(gemm.matmul(a, found.vt, transpose_b=True))
    seconds, steps = time.perf_counter() - start, int(host(found.iterations))
    # A direction and its value are a pair: A'A v = s² v.
    residual = np.linalg.norm(matrix.T @ (matrix @ directions) - directions * values**2, axis=0).max() / values[0] ** 2
    told(f"latent space, {steps} iterations", device, seconds, residual)
    return directions, latent


def search(latent, query, neighbours, device):
    """The nearest passages by an index that went through a file."""
    index = tilewright.Index(latent.shape[1], metric="cosine")
    index.add(latent)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "tour.index"
        index.write(path)
        snapshot = tilewright.Index.read(path).snapshot(device)
        start = time.perf_counter()
        distances, ids = snapshot.search(query[None], neighbours)
        seconds = time.perf_counter() - start
    exact = 1 - (latent.astype(float) @ query) / np.maximum(np.linalg.norm(latent, axis=1) * np.linalg.norm(query), 1e-30)
    told("search, from an index file", device, seconds, np.abs(distances[0] - np.sort(exact)[:neighbours]).max())
    return distances[0], ids[0]


def low_rank(matrix, directions, latent):
    """How far a model of each rank is off, beside the least that any matrix of such a rank is (Eckart and Young, 1936), by all singular values in f64."""
    exact = matrix.astype(float)
    squares = np.maximum(np.linalg.eigvalsh(exact.T @ exact if exact.shape[1] < exact.shape[0] else exact @ exact.T)[::-1], 0)
    for k in sorted({1, 4, 16, directions.shape[1]} & set(range(1, directions.shape[1] + 1))):
        error = np.linalg.norm(exact - latent[:, :k].astype(float) @ directions[:, :k].T) / np.linalg.norm(exact)
        print(f"  of rank {k:2} it is off by {100 * error:.3f} %, where {100 * math.sqrt(squares[k:].sum() / squares.sum()):.3f} % is the least")


def rebuilt(latent, neighbours, device):
    """Each passage as a sum of its neighbours: one small system each, solved as a batch (Roweis and Saul, "Locally linear embedding", 2000)."""
    unit = latent / np.maximum(np.linalg.norm(latent, axis=1, keepdims=True), 1e-30)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    near = np.argsort(-alike, axis=1, kind="stable")[:, :neighbours]
    ways = (unit[near] - unit[:, None]).astype(float)
    systems = ways @ ways.transpose(0, 2, 1)
    systems += np.maximum(1e-3 * np.trace(systems, axis1=1, axis2=2) / neighbours, 1e-7)[:, None, None] * np.eye(neighbours)
    systems = systems.astype(np.float32)
    ones = np.ones((len(unit), neighbours, 1), np.float32)
    a, b = (tilewright.asarray(part, device=device) for part in (systems, ones))
    start = time.perf_counter()
    x = host(linalg.solve(a, b)).astype(float)
    seconds = time.perf_counter() - start
    size = np.abs(systems).sum(1).max(1) * np.abs(x[..., 0]).sum(1)
    told(f"solve: {len(unit)} systems of {neighbours}", device, seconds, (np.abs(ones - systems @ x)[..., 0].sum(1) / size).max())
    made = np.einsum("pk,pkd->pd", x[..., 0] / x[..., 0].sum(1, keepdims=True), unit[near])
    nearest, distance = (np.linalg.norm(unit - other, axis=1).mean() for other in (unit[near[:, 0]], made))
    print(f"  so rebuilt, passages are {distance:.3f} away on average, where the nearest neighbour is {nearest:.3f}")


def learn(text, seconds, device):
    """A small model of bytes learns for some seconds, and writes."""
    trainer = Trainer(LanguageModel.random(MODEL, device=device), text, batch=4, context=64, rate=1e-2)
    start = time.perf_counter()
    for _ in range(3):
        last = time.perf_counter()
        trainer.step()
    one = time.perf_counter() - last
    trainer.steps = 3 + int(max(seconds - (time.perf_counter() - start), 0) / one)
    for _ in trainer:
        if time.perf_counter() - start > seconds:
            break
    losses = trainer.losses
    tail = losses[-max(len(losses) // 10, 1) :]
    told(f"language model, {len(losses)} steps", device, time.perf_counter() - start, note=f"   loss {losses[0]:.2f} to {sum(tail) / len(tail):.2f}")
    print("  The" + "".join(trainer.model().write("The", max_tokens=200, temperature=0.6, top_p=0.95, seed=1)).replace("\n", "\n  "))
    return trainer.curve()


def plot(path, points, hits, query, labels):
    """Two axes of the latent space as SVG: every passage, the hits, the query."""
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
    title = f"{len(points)} passages by two directions of their latent space; red: the hits; cross: the query"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" style="{style}"><rect width="100%" height="100%" fill="white"/>'
        f'{"".join(shapes)}<text x="{margin}" y="22">{title}</text></svg>\n',
        "utf-8",
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tilewright.tour", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=".", help="whose texts are read")
    parser.add_argument("--query", default="how is a kernel compiled and cached")
    parser.add_argument("--device", help="where kernels run: the CPU by default")
    parser.add_argument("--rank", type=int, default=64, help="dimensions of the latent space")
    parser.add_argument("--neighbours", type=int, default=5, help="passages to find")
    parser.add_argument("--learn", type=float, default=5.0, metavar="SECONDS", help="how long the language model learns; 0 leaves it out")
    parser.add_argument("--plot", type=pathlib.Path, default=pathlib.Path("tour.svg"), help="where the picture goes; that of the losses beside it")
    options = parser.parse_args(arguments)
    found = passages(options.folder)
    if len(found) < 8:
        parser.error(f"{options.folder} has {len(found)} passages of text, expected at least 8")
    device = tilewright.Device(options.device or "cpu")
    matrix, row = tf_idf([text for _, text in found])
    print(f"{len(found)} passages, {matrix.shape[1]} words")
    most = min(matrix.shape)
    if not 3 <= options.rank:
        parser.error(f"--rank {options.rank}: expected at least 3")
    directions, latent = latent_space(matrix, min(options.rank, most), device)
    weights = row(options.query)
    if not weights.any():
        parser.error(f"--query {options.query!r}: none of its words is among those of the text")
    query = (weights @ directions).astype(np.float32)
    distances, ids = search(latent, query, min(options.neighbours, len(found)), device)
    print(f"\n{options.query!r} finds")
    for rank, (distance, hit) in enumerate(zip(distances, ids, strict=True), 1):
        path, text = found[hit]
        print(f"  {rank}. {distance:.3f} {path}: {' '.join(text.split())[:90]}")
    print()
    low_rank(matrix, directions, latent)
    rebuilt(latent, min(16, len(found) - 1), device)
    plot(options.plot, latent[:, 1:3], ids, query[1:3], [str(path) for path, _ in found])
    print(f"\n{options.plot} shows where they lie")
    if options.learn > 0:
        losses = options.plot.with_name(options.plot.stem + "-losses.svg")
        losses.write_text(learn("\n\n".join(text for _, text in found), options.learn, device), "utf-8")
        print(f"{losses} shows what it learned")


if __name__ == "__main__":
    main()
