"""Build the sample that `keiki demo` runs on: small real pictures with names, classes and groups.

    npm pack emoji-datasource-twitter@16.0.0
    tar xzf emoji-datasource-twitter-16.0.0.tgz package/emoji.json package/img/twitter/64
    python tools/make_sample.py package

Writes `keiki/sample/`: `pictures/CLASS/NAME.png` (the bytes as they came), `pictures.csv` (file, label, group, name),
`texts.csv` (text, label, group) and `ATTRIBUTION.md`. The same package gives the same files, byte for byte.

A *group* is one thing drawn several times: a cook, a man cook, a woman cook and a cook with another skin tone; the
whole cat and the face of a cat. Members of one group must stand on one side of every split, or the test repeats the
training.
"""

import argparse
import csv
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "keiki" / "sample"
LIMIT_BYTES = 3_000_000

# Class -> the subcategories of the source that it is made of.
CLASSES: dict[str, tuple[str, ...]] = {
    "clothing": ("clothing",),
    "dishes": ("food-prepared", "food-asian", "food-sweet"),
    "faces": (
        "face-smiling",
        "face-affection",
        "face-tongue",
        "face-hat",
        "face-glasses",
        "face-unwell",
        "face-sleepy",
        "face-negative",
    ),
    "mammals": ("animal-mammal",),
    "other-animals": ("animal-bird", "animal-amphibian", "animal-reptile", "animal-marine", "animal-bug"),
    "people": ("person-role",),
    "places": ("place-building", "place-religious", "place-other", "place-geographic"),
    "plants": ("plant-flower", "plant-other", "food-fruit", "food-vegetable"),
    "tools": ("tool", "household"),
    "vehicles": ("transport-ground", "transport-air", "transport-water"),
}

# Entries (by short name) that a subcategory holds although they are not what our class says.
LEAVE_OUT: dict[str, tuple[str, ...]] = {
    "clothing": ("folding_hand_fan", "prayer_beads", "lipstick", "hair_pick", "gem"),
    "faces": ("skull", "skull_and_crossbones"),
    "mammals": ("feet",),
    "other-animals": ("spider_web", "microbe"),
    # Dress and parenthood, not work; and forms whose names in the source contradict one another.
    "people": (
        *("person_with_crown", "prince", "princess", "person_in_tuxedo", "man_in_tuxedo", "woman_in_tuxedo"),
        *("man_with_turban", "man-wearing-turban", "woman-wearing-turban", "man_with_gua_pi_mao"),
        *("person_with_headscarf", "bride_with_veil", "man_with_veil", "woman_with_veil"),
        *("pregnant_woman", "pregnant_man", "pregnant_person", "breast-feeding"),
        *("woman_feeding_baby", "man_feeding_baby", "person_feeding_baby"),
    ),
    "places": ("bricks", "rock", "wood", "barber", "hotsprings", "carousel_horse"),
    "plants": ("empty_nest", "nest_with_eggs"),
    "vehicles": (
        *("busstop", "motorway", "railway_track", "station", "fuelpump", "oil_drum", "wheel", "anchor", "ring_buoy"),
        *("rotating_light", "traffic_light", "vertical_traffic_light", "octagonal_sign", "construction"),
        *("seat", "parachute"),
    ),
}

# One thing under several code points, by short name; the rules in `_keys` find the rest.
SAME_THING = (
    ("airplane", "airplane_departure", "airplane_arriving", "small_airplane"),
    ("bullettrain_side", "bullettrain_front"),
    ("car", "blue_car"),
    ("train", "train2", "tram", "light_rail", "metro", "railway_car"),
    ("bus", "trolleybus", "minibus"),
    ("mountain_cableway", "aerial_tramway"),
    ("manual_wheelchair", "motorized_wheelchair"),
    ("hatching_chick", "baby_chick", "hatched_chick"),
    ("dromedary_camel", "camel"),
    ("mouse", "mouse2", "rat"),
    ("cow", "cow2", "ox", "water_buffalo"),
    ("whale", "whale2"),
    ("monkey", "monkey_face"),
    ("sheep", "ram"),
    ("house", "house_with_garden"),
    ("mountain", "snow_capped_mountain", "mount_fuji"),
    ("sunrise", "sunrise_over_mountains"),
    ("city_sunset", "city_sunrise", "cityscape"),
    ("desert", "desert_island"),
    ("post_office", "european_post_office"),
    ("apple", "green_apple"),
    ("hammer", "hammer_and_pick", "hammer_and_wrench", "pick"),
    ("cake", "birthday"),
    ("rice", "curry"),
    ("ice_cream", "icecream", "shaved_ice"),
    ("one-piece_swimsuit", "bikini"),
)

PERSONS = frozenset({"1F468", "1F469", "1F9D1"})
# Code points that change how a thing is drawn, not what it is: joiner, picture style, female, male.
MODIFIERS = frozenset({"200D", "FE0F", "2640", "2642"})
TONES = {
    "1F3FB": "light skin tone",
    "1F3FD": "medium skin tone",
    "1F3FF": "dark skin tone",
}
TONE_EVERY = (
    3  # one role in three also comes with one skin tone: enough for groups to matter, few enough to stay varied
)


@dataclass(frozen=True)
class Item:
    """One picture: its class, its name in words, other words for it, its source file and what identifies the thing."""

    label: str
    name: str
    other_words: tuple[str, ...]
    image: str
    keys: frozenset[str]

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.replace("'", "")).strip("-")

    @property
    def file(self) -> str:
        return f"pictures/{self.label}/{self.slug}.png"

    @property
    def text(self) -> str:
        return ", ".join((self.name, *self.other_words))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Build keiki/sample from the unpacked npm package.")
    parser.add_argument("package", type=Path, help="unpacked folder with emoji.json and img/twitter/64")
    parser.add_argument("--out", type=Path, default=SAMPLE, help="folder to write; replaced when it exists")
    options = parser.parse_args(arguments)

    entries = json.loads((options.package / "emoji.json").read_text(encoding="utf-8"))
    _check_short_names(entries)
    items = sorted(_items(entries), key=lambda item: (item.label, item.slug))
    groups = _groups(items)
    files = [item.file for item in items]
    if len(set(files)) != len(files):
        raise SystemExit(f"two pictures want one file name: {sorted({f for f in files if files.count(f) > 1})}")

    shutil.rmtree(options.out, ignore_errors=True)
    for item in items:
        to = options.out / item.file
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(options.package / "img" / "twitter" / "64" / item.image, to)
    rows = list(zip(items, groups, strict=True))
    _write_table(
        options.out / "pictures.csv",
        ("file", "label", "group", "name"),
        ((i.file, i.label, group, i.name) for i, group in rows),
    )
    _write_table(options.out / "texts.csv", ("text", "label", "group"), ((i.text, i.label, group) for i, group in rows))
    (options.out / "ATTRIBUTION.md").write_text(ATTRIBUTION, encoding="utf-8")

    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    if size > LIMIT_BYTES:
        raise SystemExit(f"the sample may hold {LIMIT_BYTES:,} bytes; this one has {size:,}")
    print(f"{len(items)} pictures, {len(set(groups))} groups, {size:,} bytes in {options.out}")


def _check_short_names(entries: list[dict[str, object]]) -> None:
    known = {entry["short_name"] for entry in entries}
    written = {name for names in (*LEAVE_OUT.values(), *SAME_THING) for name in names}
    unknown = sorted(written - known)
    if unknown:
        raise SystemExit(f"emoji.json lacks these short names, written in this script: {', '.join(unknown)}")


def _items(entries: list[dict[str, object]]) -> Iterator[Item]:
    class_of = {sub: label for label, subcategories in CLASSES.items() for sub in subcategories}
    roles = 0
    for entry in sorted(entries, key=lambda entry: str(entry["unified"])):
        label = class_of.get(str(entry["subcategory"]))
        if label is None or entry["short_name"] in LEAVE_OUT.get(label, ()) or not entry["has_img_twitter"]:
            continue
        item = _item(label, entry)
        yield item
        tones = entry.get("skin_variations")
        if not isinstance(tones, dict) or re.match(r"(wo)?man ", item.name):
            continue
        if roles % TONE_EVERY == 0:
            code, tone = list(TONES.items())[roles // TONE_EVERY % len(TONES)]
            yield Item(label, f"{item.name}, {tone}", item.other_words, tones[code]["image"], item.keys)
        roles += 1


def _item(label: str, entry: dict[str, object]) -> Item:
    name = _words(str(entry["name"]))
    short_names = entry["short_names"]
    if not isinstance(short_names, list):
        raise SystemExit(f"emoji.json: 'short_names' of '{name}' is no list; this script knows version 16.0.0")
    known = set(re.findall(r"[a-z]+", name)) | {re.sub(r"[^a-z]", "", name)}
    others = []
    for words in (re.findall(r"[a-z]+", short) for short in short_names):
        if not known.issuperset(words):
            others.append(" ".join(words))
            known.update(words)
    # Keys count within a class: a fire engine and a firefighter share a code point and are two things.
    keys = frozenset(f"{label} {key}" for key in _keys(str(entry["unified"]), name, short_names[0]))
    return Item(label, name, tuple(others), str(entry["image"]), keys)


def _words(name: str) -> str:
    """A Unicode character name as a person would write it.

    >>> _words("WOMANS HAT")
    "woman's hat"
    """
    return re.sub(r"\b(wo)?mans\b", lambda found: found[0][:-1] + "'s", name.lower().replace("\u2019", "'"))


def _keys(unified: str, name: str, short_name: str) -> Iterator[str]:
    """What tells a thing apart: two items that share one key are one thing.

    >>> sorted(_keys("1F469-200D-1F373", "woman cook", "female-cook"))
    ['code 1F373', 'name cook']
    >>> sorted(_keys("1F408-200D-2B1B", "black cat", "black_cat"))
    ['code 1F408', 'name black cat']
    """
    codes = [code for code in unified.split("-") if code not in MODIFIERS]
    if len(codes) > 1 and codes[0] in PERSONS:
        codes = codes[1:]  # a person with an object: the object names the role
    yield f"code {codes[0]}"
    yield "name " + re.sub(r"^(man|woman|oncoming) | face$", "", name)
    for index, things in enumerate(SAME_THING):
        if short_name in things:
            yield f"same {index}"


def _groups(items: Sequence[Item]) -> list[str]:
    """The group of each item: items that share a key, directly or through others, get the shortest name among them."""
    group_of: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        joined = [index]
        for key in sorted(item.keys):
            members = group_of.get(key, [])
            if members is not joined:
                joined += [i for i in members if i not in joined]
        for key in {key for i in joined for key in items[i].keys}:
            group_of[key] = joined
    names = [
        min((items[i].slug for i in group_of[min(item.keys)]), key=lambda slug: (len(slug), slug)) for item in items
    ]
    return [f"{item.label}/{name}" for item, name in zip(items, names, strict=True)]


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


ATTRIBUTION = """\
# Where the sample comes from

**Pictures** (`pictures/`): Twemoji 16.0.1. Copyright Twitter, Inc and other contributors, and the
contributors of the continued project, <https://github.com/jdecked/twemoji>. Licensed under Creative Commons
Attribution 4.0 International (CC-BY 4.0), <https://creativecommons.org/licenses/by/4.0/>. Taken as 64-pixel
PNG from the npm package `emoji-datasource-twitter` 16.0.0, <https://github.com/iamcal/emoji-data>.
*Changed*: a part was chosen, and the files were renamed and sorted into ten folders. The pictures themselves
are the bytes of that package.

**Names, other words, categories** (`pictures.csv`, `texts.csv`): `emoji.json` of the same package, MIT
licence (below). The names are those of the Unicode character database (Unicode License v3, copyright Unicode,
Inc., <https://www.unicode.org/license.txt>).
*Changed*: lower case; short names written as words; subcategories merged into ten classes; variants of one
thing (gender, skin tone, face and whole animal, front and side) joined by the column `group`.

Built by `tools/make_sample.py`. keiki's own licence does not cover these files.

## Licence of emoji-datasource-twitter (code and data)

The MIT License (MIT)

Copyright (c) 2013 Cal Henderson

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.
"""


if __name__ == "__main__":
    main()
