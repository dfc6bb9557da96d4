"""Builds the site: runs every Python example of the pages and every notebook, writes the reference, a page per family with its mathematics and the speed
tables, then calls mkdocs.

    pip install numpy matplotlib mkdocs-material nbconvert ipykernel latex2mathml; python docs/build.py [--no-site]

Needs the package `tilewright`. An example that fails fails the build; one whose block is marked `python norun` is for machines that have more.
"""

import csv
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import nbformat
from latex2mathml.converter import convert
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

import tilewright
from tilewright import _registry, linalg, lm, sample, search, tour

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
OUT = HERE / "generated"
BLOCK = re.compile(r"^```python( norun)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run_examples(page):
    """Runs the blocks of a page one after another, as a reader would."""
    scope = {"__name__": page.stem}
    for number, (norun, code) in enumerate(BLOCK.findall(page.read_text("utf-8")), 1):
        if not norun:
            exec(compile(code, f"{page.relative_to(HERE)} block {number}", "exec"), scope)


def with_formulas(text):
    """TeX between dollars as MathML, which browsers show without a script."""
    text = re.sub(r"\$\$(.+?)\$\$", lambda found: convert(found[1], display="block"), text, flags=re.DOTALL)
    # Within a span, for a line that begins with another element would be taken for a block of HTML.
    return re.sub(r"\$([^$\n]+)\$", lambda found: f"<span>{convert(found[1])}</span>", text)


def notebook_page(path):
    """A notebook, run from the top by a kernel of its own, as a page and the pictures it drew."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
            raise SystemExit(f"{path.name}: clear its outputs: the build makes them")
    # The kernel's process works elsewhere, and finds the package where this one did.
    os.environ["PYTHONPATH"] = str(pathlib.Path(tilewright.__file__).parents[1])
    ExecutePreprocessor(timeout=300).preprocess(notebook, {"metadata": {"path": tempfile.mkdtemp()}})
    text, resources = MarkdownExporter().from_notebook_node(notebook, {"output_files_dir": path.stem, "unique_key": path.stem})
    return with_formulas(text), resources["outputs"]


def escaped(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def family_page(name, family):
    lines = [f"# {name}", ""]
    if _registry.by_hand(name):
        lines += [f"The kernels of `tilewright.kernels.{name}`; [`tilewright.{name}`](../reference/{name}.md) is made of them.", ""]
    lines += ["## Mathematics", "", with_formulas((HERE / "maths" / f"{name}.md").read_text("utf-8")), ""]
    for each in family.__all__:
        function = getattr(family, each)
        if not hasattr(function, "kernel"):
            continue
        kernel = function.kernel
        lines += [f"## {each}", "", "```text", kernel.math, "```", "", "| | name | shape |", "|---|---|---|"]
        for kind, slots in (("in", kernel.inputs), ("out", kernel.outputs)):
            for slot, shape, optional in slots:
                lines.append(f"| {kind} | `{slot}` | `{escaped(shape)}`{', optional' if optional else ''} |")
        if kernel.arguments:
            lines += ["", "| argument | default | meaning |", "|---|---|---|"]
            lines += [f"| `{argument}` | `{default!r}` | {escaped(doc)} |" for argument, default, doc in kernel.arguments]
        lines += ["", f"Dtypes: {', '.join(kernel.dtypes)}.", ""]
    return "\n".join(lines)


def documented(name, value, level):
    try:
        signature = f"{name}{inspect.signature(value)}"
    except (TypeError, ValueError):
        signature = name
    lines = [f"{'#' * level} {name}", "", "```python", signature, "```", "", inspect.getdoc(value) or "", ""]
    if inspect.isclass(value):
        for member, what in vars(value).items():
            if member.startswith("_") or not (callable(what) or isinstance(what, (property, staticmethod, classmethod)) or inspect.isdatadescriptor(what)):
                continue
            lines += documented(f"{name}.{member}", getattr(value, member), level + 1)
    return lines


def reference_page(name, module, names):
    lines = [f"# {name}", "", inspect.getdoc(module) or "", ""]
    # Indented examples of docstrings are code to Markdown as they are.
    for each in names:
        value = getattr(module, each)
        if not hasattr(value, "kernel"):
            lines += documented(each, value, 2)
    return "\n".join(lines)


def support_page():
    """What runs where, as the registry says it."""
    lines = ["# What runs where", "", "The variants of each kernel on each kind of device, and how many of the registry's test cases they run, where not all.", ""]
    lines += ["An H200 runs the column CUDA, every change the columns CPU and emulated. **Nothing has run on Apple hardware yet**: Metal is type-checked.", ""]
    lines += ["| kernel | CPU | CUDA | Metal | emulated | dtypes |", "|---|---|---|---|---|---|"]
    reasons = {}
    for name, function in tilewright.kernels.ALL.items():
        cells = []
        for device in ("cpu", "cuda:0", "metal:0", "emulated"):
            variants, ran, of, why = function.kernel.support(device)
            cells.append("–" if not ran else ", ".join(f"`{each}`" for each in sorted(variants)) + ("" if ran == of else f" ({ran} of {of})"))
            for reason in why:
                reason = reason.removeprefix(f"unsupported on {device}: ")
                reasons.setdefault(reason, (set(), set()))[0].add(name)
                reasons[reason][1].add(device.removesuffix(":0"))
        lines.append(f"| [{name}](kernels/{function.kernel.family}.md#{name}) | {' | '.join(cells)} | {' '.join(function.kernel.dtypes)} |")
    lines += ["", "## Why not all", "", "| reason | on | kernels |", "|---|---|---|"]
    lines += [f"| {escaped(reason)} | {', '.join(sorted(devices))} | {', '.join(sorted(names))} |" for reason, (names, devices) in sorted(reasons.items())]
    return "\n".join(lines)


def speed_page():
    lines = ["# Speed", "", "Judged right, then timed, beside the best peer in the same run. A ratio above 1 means that the best peer took longer.", ""]
    time = lambda row: float(row["device_median_ms"] or row["wall_median_ms"])
    for folder in sorted(each for each in (ROOT / "bench" / "record").iterdir() if each.name != "python"):
        # Each case from the last record that has it, with the peers of that run.
        cases = {}
        for record in sorted(folder.glob("*.csv")):
            with record.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if row["verdict"] == "pass"]
            found = {}
            for row in rows:
                found.setdefault((row["kernel"], row["case"]), []).append(row)
            cases |= {case: (record.stem, rows) for case, rows in found.items()}
        lines += [f"## {folder.name}", "", "| kernel | case | variant | ms | best peer | ms | ratio | record |", "|---|---|---|---|---|---|---|---|"]
        for (kernel, case), (record, rows) in sorted(cases.items()):
            best = min((row for row in rows if row["role"] == "peer"), key=time, default=None)
            for row in (row for row in rows if row["role"] == "ours"):
                against = f"{best['variant']} | {time(best):.4g} | {time(best) / time(row):.2f}" if best else "– | – | –"
                lines.append(f"| {kernel} | {case} | {row['variant']} | {time(row):.4g} | {against} | {record} |")
        lines.append("")
    lines += ["## Calls from Python", "", "The least test case of each kernel by tensors, from Rust and from Python, in microseconds (`tests/overhead.py`).", ""]
    record = max((ROOT / "bench" / "record" / "python").glob("*.csv"))
    with record.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines += [f"{record.stem}:", "", "| kernel | Rust | Python | over |", "|---|---|---|---|"]
    lines += [f"| {row['kernel']} | {row['rust_us']} | {row['python_us']} | {row['over_us']} |" for row in rows]
    return "\n".join(lines)


def gallery_page(pictures):
    """What the notebooks drew, and the tour of this repository's own texts."""
    tour.main([str(ROOT), "--plot", str(OUT / "tour.svg")])
    lines = ["# Gallery", "", "Drawn by real runs when this site was built.", "", "![The passages of this repository by their latent space](tour.svg)", ""]
    lines += ["`python -m tilewright.tour`: the texts of this repository, each passage a point; red what the query finds.", ""]
    for notebook, place in pictures:
        lines += [f"![A plot of the notebook {notebook}]({place.relative_to(OUT).as_posix()})", "", f"From the notebook [{notebook}](notebooks/{notebook}.md).", ""]
    return "\n".join(lines)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.copytree(HERE / "pages", OUT)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for page in sorted((HERE / "pages").rglob("*.md")):
            run_examples(page)
        os.chdir(HERE)
    for path in OUT.rglob("*.md"):
        path.write_text(path.read_text("utf-8").replace("```python norun", "```python"), "utf-8")
    written = {"speed.md": speed_page(), "support.md": support_page()}
    for name, family in _registry.families().items():
        written[f"kernels/{name}.md"] = family_page(name, family)
    for name, module in (("linalg", linalg), ("search", search), ("sample", sample), ("lm", lm)):
        written[f"reference/{name}.md"] = reference_page(f"tilewright.{name}", module, module.__all__)
    front = [name for name in tilewright.__all__ if not inspect.ismodule(getattr(tilewright, name)) and callable(getattr(tilewright, name))]
    written["reference/tilewright.md"] = reference_page("tilewright", tilewright, sorted(front))
    pictures = []
    for path in sorted((HERE / "notebooks").glob("*.ipynb")):
        written[f"notebooks/{path.stem}.md"], drawn = notebook_page(path)
        for name, data in drawn.items():
            place = OUT / "notebooks" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            pictures.append((path.stem, place))
    written["gallery.md"] = gallery_page(pictures)
    for name, text in written.items():
        path = OUT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    print(f"{len(written)} pages written")
    if "--no-site" in sys.argv:
        return 0
    config = (HERE / "mkdocs.yml").read_text("utf-8")
    for section in ("notebooks", "reference", "kernels"):
        pages = "".join(f"\n      - {name.removesuffix('.md')}" for name in sorted(written) if name.startswith(section + "/"))
        config = re.sub(rf"(- \w+): {section}$", lambda match: match[1] + ":" + pages.replace("- " + section, "- " + section), config, flags=re.MULTILINE)
    config = re.sub(r"^(      - )((?:notebooks|reference|kernels)/(\w+))$", r"\1\3: \2.md", config, flags=re.MULTILINE)
    made = HERE / "generated.yml"
    made.write_text(config, "utf-8")
    try:
        return subprocess.run([sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-f", str(made)], check=False).returncode
    finally:
        made.unlink()


if __name__ == "__main__":
    sys.exit(main())
