"""The shipped sample: small, attributed, and honest about what belongs together."""

import csv
from collections import Counter
from importlib.resources import files
from pathlib import Path

from PIL import Image

SAMPLE = Path(str(files("keiki"))) / "sample"


def table(name: str) -> list[dict[str, str]]:
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_sample_is_at_most_three_megabytes() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) <= 3_000_000


def test_table_and_folders_hold_the_same_pictures_under_the_same_classes() -> None:
    rows = table("pictures.csv")
    assert {row["file"] for row in rows} == {
        path.relative_to(SAMPLE).as_posix() for path in SAMPLE.glob("pictures/*/*.png")
    }
    assert all(row["file"].split("/")[1] == row["label"] for row in rows)


def test_ten_classes_of_forty_to_seventy_pictures() -> None:
    counts = Counter(row["label"] for row in table("pictures.csv"))
    assert len(counts) == 10
    assert min(counts.values()) >= 40
    assert max(counts.values()) <= 70


def test_every_picture_opens_at_64_pixels() -> None:
    for path in SAMPLE.glob("pictures/*/*.png"):
        with Image.open(path) as image:
            image.load()
            assert image.size == (64, 64), path.name


def test_texts_carry_the_labels_and_groups_of_the_pictures() -> None:
    pictures, texts = table("pictures.csv"), table("texts.csv")
    assert [(row["label"], row["group"]) for row in pictures] == [(row["label"], row["group"]) for row in texts]
    assert all(
        text["text"].startswith(picture["name"].split(",")[0]) for picture, text in zip(pictures, texts, strict=True)
    )
    assert len({row["text"] for row in texts}) == len(texts)


def test_variants_of_one_thing_share_a_group_and_no_group_spans_classes() -> None:
    rows = table("pictures.csv")
    group = {row["name"]: row["group"] for row in rows}
    assert len({group[name] for name in ("cook", "man cook", "woman cook", "cook, dark skin tone")}) == 1
    assert group["cat"] == group["cat face"] == group["black cat"] != group["dog"]
    assert group["firefighter"] != group["fire engine"]
    labels = {(row["group"], row["label"]) for row in rows}
    assert len(labels) == len(set(group.values()))


def test_no_two_groups_hold_the_same_picture_bytes() -> None:
    group_of: dict[bytes, str] = {}
    for row in table("pictures.csv"):
        content = (SAMPLE / row["file"]).read_bytes()
        assert group_of.setdefault(content, row["group"]) == row["group"]


def test_attribution_names_licences_origin_and_changes() -> None:
    text = (SAMPLE / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for needed in ("CC-BY 4.0", "MIT", "Twitter, Inc", "emoji-datasource-twitter", "Cal Henderson", "*Changed*"):
        assert needed in text
