"""The page: inert whatever the data say, self-contained, well-formed, and nothing on it that report.json lacks."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from keiki.evaluation.report import heat, page, scatter
from keiki.evaluation.report.schema import Interval, Partly, Report, to_json

VOID = {"meta", "link", "img", "br", "hr", "input"}
SHAPES = {"line", "rect", "circle", "path", "polyline", "polygon"}  # drawn as <line/>: closed by themselves
Samples = dict[str, Callable[[], Report]]


class Reader(HTMLParser):
    """Collects tags, attributes and visible text; complains about what is not nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.drawn: list[str] = []  # text inside drawings: ticks and axis titles
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute twice in {tag}: {names}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SHAPES, f"<{tag}/> is not closed in HTML"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        (self.drawn if "svg" in self.open else self.text).append(data)


def read(report: Report) -> Reader:
    return Reader(page.render_report(report))


def words_of(reader: Reader) -> str:
    return " ".join(re.split(r"[ \n]+", " ".join(reader.text)))


def test_page_is_well_formed(sample: Report) -> None:
    reader = read(sample)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = [a["href"] for tag, a in reader.tags if tag == "a"]
    assert targets
    assert all(target and target[0] == "#" and target[1:] in ids for target in targets)


def test_rendering_from_json_equals_rendering_the_report(sample: Report) -> None:
    content = json.loads(json.dumps(to_json(sample), allow_nan=False))
    assert page.render(content) == page.render_report(sample)


def test_same_report_gives_same_bytes(sample: Report) -> None:
    assert page.render_report(sample) == page.render_report(sample)


def test_page_loads_nothing_from_elsewhere(sample: Report) -> None:
    html = page.render_report(sample)
    assert "http://" not in html
    assert "https://" not in html
    assert "url(" not in html
    assert "@import" not in html
    for tag, attributes in Reader(html).tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "form", "base", "use"}
        assert not {"style", "srcset", "action", "background"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        if "src" in attributes:
            assert str(attributes["src"]).startswith(("data:image/jpeg;base64,", "data:image/png;base64,"))


def test_policy_admits_exactly_the_own_style_sheet(samples: Samples) -> None:
    html = page.render_report(samples["pictures"]())
    [style] = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy


def test_user_text_is_inert(samples: Samples, hostile_text: str) -> None:
    html = page.render_report(samples["hostile"]())
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "49" not in re.findall(r"\{\{(.*?)\}\}", html)  # a template inside a name is not run
    assert "{{7*7}}" in html
    reader = Reader(html)
    assert hostile_text in "".join(reader.text)  # shown as it is
    names = {name for _, attributes in reader.tags for name in attributes}
    assert "onerror" not in names


def test_every_text_of_the_report_is_escaped(samples: Samples) -> None:
    """Whatever field a string stands in, a tag in it never becomes a tag."""

    def poisoned(value: object) -> object:
        if isinstance(value, dict):
            return {poisoned(key) if " " in key else key: poisoned(item) for key, item in value.items()}
        if isinstance(value, list):
            return [poisoned(item) for item in value]
        if isinstance(value, str) and not value.startswith("data:") and value not in fixed:
            return f"<evil>{value}</evil>"
        return value

    report = samples["pictures"]()
    fixed = {"held-out", "source", "accuracy", "helped", "higher", "lower", report.created}
    fixed |= {"training", "test", "exact", "near", "prefix", "burst", "column", "t-SNE", "PCA"}
    fixed |= {row.role for row in report.transfer.rows} if report.transfer else set()
    content = poisoned(to_json(report))
    assert isinstance(content, dict)
    html = page.render(content)
    assert "<evil" not in html
    assert html.count("&lt;evil&gt;") > 100
    Reader(html)


def numbers_in(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers_in(key)
            yield from numbers_in(item)
    elif isinstance(value, list):
        yield len(value)  # "6 classes"
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, str) and not value.startswith("data:"):
        yield from (float(found) for found in re.findall(r"\d+(?:\.\d+)?", value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def spellings(value: float) -> set[str]:
    scaled = (value, 100 * value, value / 1000, 1000 * value, value / 60, value % 60, value / 1e6, value / 1e9)
    return {f"{abs(v):.{digits}f}" for v in scaled for digits in range(4)} | {f"{abs(v):.3g}" for v in scaled}


def test_every_number_on_the_page_comes_from_the_json(samples: Samples) -> None:
    for name in ("pictures", "texts_hurt", "undecided", "nothing_wrong", "tuned"):
        report = samples[name]()
        example = r"<p>Of the answers given with, say.*?</p>"
        html = re.sub(example, "", page.render_report(report))
        known = {text for value in numbers_in(to_json(report)) for text in spellings(value)}
        known |= set(re.findall(r"\d+(?:\.\d+)?", json.dumps(to_json(report))))  # digits within names, as they are
        known |= spellings(len(report.warnings) - 3)
        known |= set(re.findall(r"\d+", page.moment(report.created)))
        totals: dict[int, int] = {}
        for cell in report.confusion:
            totals[cell.true] = totals.get(cell.true, 0) + cell.n
        known |= {f"{100 * cell.n / totals[cell.true]:.0f}" for cell in report.confusion}  # share of the class
        known |= {str(total) for total in totals.values()}
        shown = words_of(Reader(html)).replace("\N{NARROW NO-BREAK SPACE}", "").replace("F1", "")
        found = set(re.findall(r"\d+(?:\.\d+)?", shown))
        assert len(found) > 20
        assert found <= known, f"{name}: from nowhere: {sorted(found - known)}"


def test_numbers_of_the_json_reach_the_page(samples: Samples) -> None:
    report = samples["pictures"]()
    assert report.usability is not None
    head = dataclasses.replace(
        report.headline, score=Interval(value=0.6137, low=0.512, high=0.708), n=4321, n_correct=2652
    )
    use = dataclasses.replace(report.usability, n_accepted=1733, to_check=0.417, threshold=0.838)
    cost = dataclasses.replace(report.cost, total_seconds=83.2, peak_memory_bytes=1_234_000_000)
    changed = dataclasses.replace(report, headline=head, usability=use, cost=cost, level=0.9)
    shown = words_of(read(changed)).replace("\N{NARROW NO-BREAK SPACE}", " ")
    for expected in (
        "61 %",
        "51–71 %",
        "2 652 of 4 321 photos right",
        "1 733",
        "42 %",
        "84 %",
        "1 min 23 s",
        "1.23 GB",
        "90 %",
    ):
        assert expected in shown, expected


def test_first_screen_keeps_its_order(samples: Samples) -> None:
    html = page.render_report(samples["pictures"]())
    order = ["how-good", "can-i-use-it", "did-transfer-help", "watch", "mistakes", "next", "data"]
    places = [html.index(f'id="{name}"') for name in order]
    assert places == sorted(places)


def test_three_warnings_first_and_the_rest_below(samples: Samples) -> None:
    html = page.render_report(samples["pictures"]())
    above, below = html.split('id="data"')
    assert above.count('class="remedy"') == 3
    assert below.count('class="remedy"') == 1


def test_weak_controls_are_flagged_with_their_reason(samples: Samples) -> None:
    shown = words_of(read(samples["pictures"]()))
    assert "weak control" in shown
    assert "its training curve had not flattened after 600 steps." in shown


def test_a_shipped_control_is_said(samples: Samples) -> None:
    assert "won on the training side, so it is the one you got" in words_of(read(samples["texts_hurt"]()))


def test_the_lead_is_that_of_the_best_pretrained_model(samples: Samples) -> None:
    """Where a control ships, the paired differences are still those of the pretrained model that the verdict is on."""
    html = page.render_report(samples["texts_hurt"]())
    assert "lead of the best pretrained" in html
    assert "shipped model." not in html.split('id="how-good"')[0]
    assert "lead of the shipped" not in html


def test_parts_without_content_are_left_out(samples: Samples) -> None:
    html = page.render_report(samples["nothing_wrong"]())
    parts = ("watch", "reliability", "curves", "why", "found", "slices", "labels", "map", "accepting")
    for absent in (*(f'id="{name}"' for name in parts), "<img"):
        assert absent not in html
    shown = words_of(Reader(html))
    assert "No mistake among 30 photos" in shown
    assert "Not asked: no model without pretraining was run" in shown


def test_charts_have_a_name_and_tables_have_headers(sample: Report) -> None:
    reader = read(sample)
    for tag, attributes in reader.tags:
        if tag == "svg" and "viewBox" in attributes and "width" not in attributes:
            assert attributes.get("role") == "img"
            assert attributes.get("aria-label")
        if tag == "img":
            assert attributes.get("alt")
        if tag == "th" and "scope" not in attributes:
            pytest.fail(f"a header cell without scope: {attributes}")


def test_a_hundred_classes_stay_small(samples: Samples) -> None:
    html = page.render_report(samples["hundred"]())
    pictures = sum(map(len, re.findall(r'src="data:[^"]*"', html)))
    assert len(html.encode()) - pictures < 500_000


def test_the_largest_report_stays_below_three_megabytes(samples: Samples) -> None:
    """Every list is as long as it may be and every thumbnail has 3 KB; a map of the most points."""
    report = samples["hundred"]()
    assert report.map is not None
    n = 1500
    longest = dataclasses.replace(
        report.map,
        **{name: (getattr(report.map, name) * n)[:n] for name in ("x", "y", "true", "said", "ids")},  # type: ignore[arg-type]
    )
    html = page.render_report(dataclasses.replace(report, map=longest))
    n_pictures = len(re.findall(r'src="data:image/jpeg', html))
    pictures = sum(map(len, re.findall(r'src="data:image/jpeg[^"]*"', html)))
    assert n_pictures > 80
    assert len(html.encode()) - pictures + 130 * 4096 < 3_000_000


def test_without_samples_nothing_of_an_item_is_shown(samples: Samples) -> None:
    html = page.render_report(samples["nothing_found"]())
    assert "<img" not in html
    assert "IMG_" not in html
    assert "left out of this report, as asked" in html
    assert "none is shown, as asked" in html


def test_the_picture_is_lit_where_the_answer_hung_on_it(samples: Samples) -> None:
    why = samples["pictures"]().mistakes[0].why
    assert why is not None
    assert why.heat is not None
    uri = heat.shade(dataclasses.replace(why.heat, width=96, height=48))
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert picture.size == (64, 32)
    opacity = np.asarray(picture.getchannel("A"), dtype=float)
    drops = np.array(why.heat.drops).reshape(8, 8)
    row, column = np.unravel_index(drops.argmax(), drops.shape)
    assert opacity[4 * row + 2, 8 * column + 4] < 40
    assert opacity[0 if row > 3 else -1, 0 if column > 3 else -1] > 150
    assert len(uri) < 8000


def test_every_point_of_the_map_is_drawn_inside_and_says_its_label(samples: Samples) -> None:
    report = samples["pictures"]()
    assert report.map is not None
    drawn = scatter.scatter(report.map, [one.name for one in report.task.classes])
    points = [point for cloud in drawn.clouds for point in cloud.points]
    assert len(points) == len(report.map.x)
    assert drawn.n_wrong == sum(point.wrong for point in points)
    for point in points:
        x, y = map(int, re.findall(r"\d+", point.path)[:2])
        assert scatter.MARGIN <= x <= scatter.SIDE - scatter.MARGIN
        assert scatter.MARGIN <= y <= scatter.SIDE - scatter.MARGIN
    assert any("called" in point.says for point in points)


def test_of_many_classes_those_with_most_mistakes_have_symbols_and_the_others_a_dot(samples: Samples) -> None:
    report = samples["hundred"]()
    assert report.map is not None
    drawn = scatter.scatter(report.map, [one.name for one in report.task.classes])
    styles = [cloud.style for cloud in drawn.clouds]
    assert styles == [None, *range(scatter.SYMBOLS)]
    assert drawn.n_others == 100 - scatter.SYMBOLS
    assert len({cloud.shape for cloud in drawn.clouds}) == len(styles)
    wrong = {cloud.name: sum(point.wrong for point in cloud.points) for cloud in drawn.clouds[1:]}
    others = Counter(t for t, s in zip(report.map.true, report.map.said, strict=True) if t != s)
    assert min(wrong.values()) >= sorted(others.values())[-scatter.SYMBOLS]


def test_colours_are_readable_in_light_and_dark() -> None:
    """WCAG 2.1 AA: 4.5 to 1 for text."""
    style = page._read("style.css")
    dark_at = style.index("@media")
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style[:dark_at]))
    dark = light | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style[dark_at : style.index("* {")]))
    pairs = [(ink, paper) for ink in ("ink", "soft", "blue", "orange") for paper in ("paper", "r0")]
    pairs += [("ink", "amber"), ("ink", "faint"), ("on-light", "faint")]
    pairs += [("on-light", shade) for shade in ("r1", "r2", "r3", "w1", "w2", "w3")]
    pairs += [("on-dark", shade) for shade in ("r4", "r5", "w4", "w5")]
    pairs += [("ink", shade) for shade in ("h1", "h2", "h3", "h4", "c1", "c2", "c3", "c4")]
    for theme in (light, dark):
        for text, ground in pairs:
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)


def test_colours_of_the_map_differ_for_the_colour_blind() -> None:
    """The eight colours stay apart where red and green are one; shapes say the same once more."""
    style = page._read("style.css")
    dark_at = style.index("@media")
    light = dict(re.findall(r"--(k\d): (#[0-9a-f]{6})", style[:dark_at]))
    dark = dict(re.findall(r"--(k\d): (#[0-9a-f]{6})", style[dark_at : style.index("* {")]))
    assert set(light) == set(dark) == {f"k{i}" for i in range(scatter.SYMBOLS)}
    for theme in (light, dark):
        for eyes in (DEUTERANOPE, PROTANOPE):
            seen = [as_seen(colour, eyes) for colour in theme.values()]
            gaps = [np.abs(a - b).max() for i, a in enumerate(seen) for b in seen[:i]]
            assert min(gaps) > 0.08, theme


# Vienot, Brettel and Mollon 1999, without their reduced gamut: linear RGB to cones, and what two kinds of cones make.
TO_CONES = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
DEUTERANOPE = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
PROTANOPE = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])


def as_seen(colour: str, eyes: np.ndarray) -> np.ndarray:
    """Linear RGB as such eyes see it."""
    linear = np.array([(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)])
    seen: np.ndarray = np.linalg.inv(TO_CONES) @ eyes @ TO_CONES @ linear
    return seen


def contrast(one: str, other: str) -> float:
    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_title_is_plain_text(sample: Report) -> None:
    [title] = re.findall("<title>(.*?)</title>", page.render_report(sample).partition("</head>")[0], flags=re.DOTALL)
    assert "<" not in title
    assert "&lt;span" not in title


def test_a_half_judged_run_says_so_at_its_figure(samples: Samples) -> None:
    report = samples["pictures"]()
    partly = Partly(judged=("rust",), n_judged=1, n_classes=6, constant="rust", constant_right=1.0)
    shown = words_of(read(dataclasses.replace(report, headline=dataclasses.replace(report.headline, partly=partly))))
    before, _, after = shown.partition("Only 'rust' was judged, and always saying 'rust' would be 100")
    assert after
    assert "Can I use it" not in before


def test_an_unfinished_control_that_counts_is_explained(samples: Samples) -> None:
    report = samples["pictures"]()
    assert report.transfer is not None
    rows = tuple(dataclasses.replace(row, weak=None, unfinished=row.weak) for row in report.transfer.rows)
    shown = words_of(read(dataclasses.replace(report, transfer=dataclasses.replace(report.transfer, rows=rows))))
    assert "no transfer, unfinished" in shown
    assert "was not trained to the end (its training curve had not flattened after 600 steps)" in shown
    assert "weak control" not in shown


def test_with_repeats_the_page_says_what_each_count_counts(samples: Samples) -> None:
    report = samples["pictures"]()
    task = dataclasses.replace(report.task, split="nested cross-validation", folds=5, repeats=3)
    shown = words_of(read(dataclasses.replace(report, task=task)))
    assert "on the average of 3 rounds" in shown
    assert "Each item was answered 3 times" in shown
    assert "most of the 3 answers of an item" in shown
