"""The picture in the README: the first screen of a report, as headless Chromium shows it in light mode.

    keiki demo
    python tools/screenshot.py runs/pictures-1

Writes `docs/images/report.png` (1280 pixels wide, below 200 kB) and `docs/images/report.txt` (the closing lines of the
same run, which `tools/make_docs.py` puts into the README, so that picture and lines cannot disagree).
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from keiki.core.files import read_json, write_text, writing
from keiki.evaluation.report.reading import from_json
from keiki.evaluation.report.sentences import closing_lines

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1280, 3000
MARGIN = 24  # pixels below the last thing that is drawn
COLOURS = (256, 128, 96, 64)  # tried from many to few until the file is small enough
MOST_BYTES = 200_000
BELOW = '<nav aria-label="Further down">'  # here the first screen ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run folder")
    run = parser.parse_args().run
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "first.html"
        page.write_text(first_screen((run / "report.html").read_text(encoding="utf-8")), encoding="utf-8")
        picture = trimmed(photographed(page, Path(scratch)))
    n_bytes = save(picture, IMAGES / "report.png")
    report = from_json(read_json(run / "report.json"))
    write_text(IMAGES / "report.txt", "\n".join(closing_lines(report, str(run / "report.html"))) + "\n")
    print(f"{IMAGES / 'report.png'}: {picture.width} x {picture.height} pixels, {n_bytes} bytes")


def first_screen(page: str) -> str:
    """The page without all that stands below its first screen.

    >>> first_screen(f"<body><p>good</p>{BELOW}much</nav></body>")
    '<body><p>good</p></body></html>'
    """
    first, below, _ = page.partition(BELOW)
    if not below:
        raise SystemExit(f"The page has no {BELOW}; see where its first screen ends now.")
    return f"{first}</body></html>"


def photographed(page: Path, scratch: Path) -> Image.Image:
    """The page as Chromium draws it, with a profile of its own and no animation."""
    chromium = next((name for name in NAMES if shutil.which(name)), None)
    if chromium is None:
        raise SystemExit(f"Chromium is needed for the picture; none of these commands is there: {', '.join(NAMES)}.")
    target = scratch / "page.png"
    subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--hide-scrollbars",
            f"--user-data-dir={scratch / 'profile'}",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={target}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return Image.open(target).convert("RGB")


def trimmed(picture: Image.Image) -> Image.Image:
    """The picture without the empty rows at its end, but for a margin."""
    paper = Image.new("RGB", picture.size, picture.getpixel((0, picture.height - 1)))
    box = ImageChops.difference(picture, paper).getbbox()
    if box is None:
        raise SystemExit("The picture is empty.")
    return picture.crop((0, 0, picture.width, min(picture.height, box[3] + MARGIN)))


def save(picture: Image.Image, path: Path) -> int:
    """Write the PNG with as many colours as the limit allows; returns its size in bytes."""
    for colours in COLOURS:
        with writing(path) as temporary:
            picture.quantize(colours, dither=Image.Dither.NONE).save(temporary, format="PNG", optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            return path.stat().st_size
    raise SystemExit(f"'{path}' is {path.stat().st_size} bytes, more than {MOST_BYTES}.")


if __name__ == "__main__":
    main()
