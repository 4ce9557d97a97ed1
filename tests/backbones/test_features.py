"""Features are computed once, in shards and batches that depend on nothing but the content."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from fakes import Fake, Noise, Sorted, Telltale, TinyNetwork, of_files, of_texts, texts

from keiki.backbones import passes
from keiki.backbones.cache import Cache
from keiki.backbones.features import FeatureBank
from keiki.backbones.passes import in_order
from keiki.core.errors import RequestError
from keiki.core.record import Record
from keiki.data.transforms.histogram import HistogramTransform
from keiki.data.transforms.image import ImageTransform
from keiki.engines.plan import Plan

PLAN = Plan(engine_version="0", threads=2, batch_size=4, shard_size=10)


def bank(root, *lists, plan=PLAN, record=None, cap=2**30):
    made = FeatureBank(Cache(root, cap), plan, record or Record())
    for each in lists:
        made.register(each)
    return made


def stored(root):
    return {path.relative_to(root): path.read_bytes() for path in (root / "features").rglob("*") if path.is_file()}


def pictures(folder, count=12):
    paths = []
    for i in range(count):
        path = folder / f"{i}.png"
        pixels = np.random.default_rng(i).integers(0, 256, size=(40 + i, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        paths.append(path)
    return of_files(paths)


@pytest.fixture
def looks(monkeypatch):
    """Counts how often a picture is decoded."""
    seen = []
    for name in ("image_fact", "decode"):
        real = getattr(passes, name)
        monkeypatch.setattr(passes, name, lambda *args, real=real: (seen.append(1), real(*args))[1])
    return seen


@pytest.mark.parametrize("kind", [Telltale, Sorted])
def test_bits_do_not_depend_on_what_is_asked_in_which_order_or_what_is_cached(kind, tmp_path):
    items = texts(37)
    whole = bank(tmp_path / "a", items).extract(Fake(kind()), items)
    pieces = bank(tmp_path / "b", items)
    rng = np.random.default_rng(0)
    for _ in range(6):
        part = rng.permutation(37)[:9]
        np.testing.assert_array_equal(pieces.extract(Fake(kind()), items.take(part)), whole[part])
    shuffled = items.take(rng.permutation(37))
    other = bank(tmp_path / "c", shuffled).extract(Fake(kind()), items)
    np.testing.assert_array_equal(other, whole)
    assert whole.dtype == np.float32
    assert whole.shape == (37, 4)
    np.testing.assert_array_equal(whole[:, 1], np.arange(37))


def test_batches_are_of_like_cost_and_never_of_one(tmp_path):
    items, transform = texts(13), Sorted()
    plan = Plan(batch_size=4, shard_size=13, batch_cost=1)  # four rows a batch, the fewest that are cut
    features = bank(tmp_path, items, plan=plan).extract(Fake(transform), items)
    assert transform.batches == [4, 4, 4, 2]
    lengths = np.sort([len(raw) for raw in items.raws])
    expected = np.repeat([lengths[3], lengths[7], lengths[11], lengths[12]], [4, 4, 4, 1])
    np.testing.assert_array_equal(np.sort(features[:, 3]), np.sort(expected))
    transform = Telltale()
    bank(tmp_path, items.take([0]), plan=plan).extract(Fake(transform), items.take([0]))
    assert transform.batches == [2]


def test_a_transform_without_cost_gives_the_batches_that_sorting_would_give(tmp_path):
    class Equal(Telltale):
        def cost(self, prepared):
            return 0

    items = texts(29)
    streamed = bank(tmp_path / "a", items).extract(Fake(Telltale()), items)
    np.testing.assert_array_equal(streamed, bank(tmp_path / "b", items).extract(Fake(Equal()), items))


def test_only_the_shards_that_are_touched_are_computed_and_a_second_run_prepares_nothing(tmp_path):
    items = texts(40)
    ordered = items.take(np.argsort(items.digests))
    transform = Telltale()
    first = bank(tmp_path, items)
    first.extract(Fake(transform), ordered.take([3, 12, 15]))
    assert sorted(transform.prepared) == sorted(ordered.raws[:20])
    whole = first.extract(Fake(transform), items)
    assert len(transform.prepared) == 40
    again = Telltale()
    second = bank(tmp_path, items)
    np.testing.assert_array_equal(second.extract(Fake(again), items), whole)
    assert second.facts(items) == first.facts(items)
    assert again.prepared == []
    assert again.batches == []


def test_copies_share_a_row_and_the_first_list_decides(tmp_path):
    train, test = texts(12), texts(15)
    transform = Telltale()
    both = bank(tmp_path, train + train.take([3, 3]), test)
    rows = both.extract(Fake(transform), train.take([3, 5, 3]))
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_array_equal(both.extract(Fake(transform), test.take([3])), rows[:1])
    assert len(transform.prepared) <= 12
    alone = bank(tmp_path / "alone", train).extract(Fake(), train)
    np.testing.assert_array_equal(both.extract(Fake(), train), alone)


def test_an_item_that_was_not_registered_is_refused_by_name(tmp_path):
    items = texts(12)
    with pytest.raises(RequestError, match=r"2 of 12 items, 'row 10'.*Register"):
        bank(tmp_path, items.take(range(10))).extract(Fake(), items)


def test_no_items_give_no_rows(tmp_path):
    made = bank(tmp_path, texts(3))
    assert made.extract(Fake(), texts(0)).shape == (0, 4)
    assert made.facts(texts(0)) == []
    assert made.sample(texts(0), 5).tolist() == []


def test_a_sample_lies_in_the_first_shards_and_only_the_content_decides_it(tmp_path):
    items = texts(50)
    made = bank(tmp_path, items)
    chosen = made.sample(items, 20)
    assert {items.digests[i] for i in chosen} == set(sorted(items.digests)[:20])
    transform = Telltale()
    made.extract(Fake(transform), items.take(chosen))
    assert len(transform.prepared) == 20
    shuffled = items.take(np.random.default_rng(1).permutation(50))
    again = bank(tmp_path, shuffled).sample(shuffled, 20)
    assert {shuffled.ids[i] for i in again} == {items.ids[i] for i in chosen}
    assert made.sample(items, 99).tolist() == list(range(50))


def test_what_changes_the_bits_changes_the_key(tmp_path):
    items = texts(5)
    backbones = [Fake(), Fake(weights="1"), Fake(name="other"), Fake(Telltale(2.0)), Fake(Sorted())]
    plans = [PLAN, Plan(**{**PLAN.to_json(), "threads": 1}), Plan(**{**PLAN.to_json(), "engine_version": "1"})]
    for plan in plans:
        for backbone in backbones:
            bank(tmp_path, items, plan=plan).extract(backbone, items)
            bank(tmp_path, items, plan=plan).extract(backbone, items)
    facts = 1
    assert Cache(tmp_path, 2**30).sizes()["features"]["entries"] == len(backbones) * len(plans) + facts


def test_every_picture_is_decoded_once_for_all_networks_and_facts_and_never_again(tmp_path, looks):
    items = pictures(tmp_path)
    views = [ImageTransform(mode="squash", size=8), ImageTransform(mode="crop", size=12), HistogramTransform(size=16)]
    backbone = Fake(*views, modality="image")
    requests = [(backbone, "view0"), (backbone, "view1"), (backbone, "view2")]
    first = bank(tmp_path / "cache", items)
    first.ensure(items, requests)
    assert len(looks) == 12
    rows = first.extract(backbone, items, "view2")
    np.testing.assert_array_equal(rows, np.stack([views[2].prepare(raw) for raw in items.raws]))
    second = bank(tmp_path / "cache", items)
    second.ensure(items, requests)
    facts = second.facts(items)
    np.testing.assert_array_equal(second.extract(backbone, items, "view1"), first.extract(backbone, items, "view1"))
    assert len(looks) == 12
    assert [(fact.width, fact.height) for fact in facts] == [(50, 40 + i) for i in range(12)]
    assert all(fact.thumbnail[:2] == b"\xff\xd8" for fact in facts)
    assert second.facts(items, thumbnails=False)[0].thumbnail == b""


def test_a_view_that_needs_more_detail_gets_it_whatever_else_is_asked(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((2500, 2400)).save(tmp_path / "large.jpg")
    items = of_files([tmp_path / "large.jpg"])
    small, large = ImageTransform(size=8), ImageTransform(size=600)
    backbone = Fake(small, large, modality="image")
    made = bank(tmp_path / "cache", items)
    made.ensure(items, [(backbone, "view0"), (backbone, "view1")])
    for name, transform in backbone.transforms().items():
        expected = transform.collate([transform.prepare(items.raws[0])])["image"].reshape(1, -1)
        np.testing.assert_array_equal(made.extract(backbone, items, name), expected)


def test_unreadable_items_are_zeros_with_a_reason_and_stop_nothing(tmp_path, looks):
    pictures(tmp_path, 6)
    (tmp_path / "2.png").write_bytes(b"")
    (tmp_path / "4.png").write_bytes((tmp_path / "3.png").read_bytes()[:300])
    items = of_files([tmp_path / f"{i}.png" for i in range(6)])
    backbone = Fake(HistogramTransform(size=16), modality="image")
    made = bank(tmp_path / "cache", items)
    rows, facts = made.extract(backbone, items), made.facts(items)
    assert [bool(fact.error) for fact in facts] == [False, False, True, False, True, False]
    assert facts[2].error == "empty file"
    assert facts[4].error == "truncated picture"
    assert (rows.any(axis=1) == [fact.error is None for fact in facts]).all()
    count = len(looks)
    assert bank(tmp_path / "cache", items).facts(items) == facts
    assert len(looks) == count


def test_a_text_that_only_a_transform_refuses_is_recorded(tmp_path):
    items = of_texts(["fine 1", "broken 2", "fine 3", " "])
    events = []
    made = bank(tmp_path, items, record=Record(listeners=(events.append,)))
    rows = made.extract(Fake(), items)
    assert rows.any(axis=1).tolist() == [True, False, True, False]
    assert [event["item"] for event in events if event["event"] == "unprepared"] == ["row 1"]
    assert [fact.error for fact in made.facts(items)] == [None, None, None, "empty text"]


def test_a_file_that_changed_since_it_was_listed_does_not_poison_the_cache(tmp_path):
    items = pictures(tmp_path, 5)
    backbone = Fake(HistogramTransform(size=16), modality="image")
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes())
    events = []
    made = bank(tmp_path / "cache", items, record=Record(listeners=(events.append,)))
    rows = made.extract(backbone, items)
    np.testing.assert_array_equal(rows[1], rows[0])
    assert len(made.facts(items)) == 5
    assert [event["items"] for event in events if event["event"] == "changed"] == [["1.png"]]
    assert stored(tmp_path / "cache") == {}


class Stop(BaseException):
    """Ctrl-C."""


def test_an_interrupted_pass_goes_on_at_the_shard_where_it_stopped(tmp_path):
    class Interrupted(Telltale):
        def prepare(self, raw):
            if len(self.prepared) == 27:
                raise Stop
            return super().prepare(raw)

    items = texts(40)
    plan = Plan(**{**PLAN.to_json(), "threads": 1})
    with pytest.raises(Stop):
        bank(tmp_path / "a", items, plan=plan).extract(Fake(Interrupted()), items)
    transform = Telltale()
    resumed = bank(tmp_path / "a", items, plan=plan).extract(Fake(transform), items)
    assert len(transform.prepared) == 20
    np.testing.assert_array_equal(resumed, bank(tmp_path / "b", items, plan=plan).extract(Fake(), items))
    assert stored(tmp_path / "a") == stored(tmp_path / "b")


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fakes import Fake, texts
from test_features import bank
sys.stdin.readline()
items = texts(200)
sys.stdout.buffer.write(bank(Path(sys.argv[2]), items).extract(Fake(), items).tobytes())
"""


def test_two_processes_that_fill_the_same_keys_get_and_leave_the_same_bytes(tmp_path):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", CHILD, here, str(tmp_path / "both")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    outputs = [process.communicate(b"go\n", timeout=60)[0] for process in processes]
    items = texts(200)
    alone = bank(tmp_path / "alone", items).extract(Fake(), items)
    assert outputs == [alone.tobytes()] * 2
    assert stored(tmp_path / "both") == stored(tmp_path / "alone")
    assert not list((tmp_path / "both" / "tmp").iterdir())


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_network_gives_the_same_alone_as_in_a_batch(engine, tmp_path):
    items = texts(23)
    backbone = TinyNetwork(Noise())
    plan = Plan(engine=engine, batch_size=8, shard_size=16)
    rows = bank(tmp_path / "a", items, plan=plan).extract(backbone, items)
    expected = np.tanh(np.stack([Noise().prepare(raw) for raw in items.raws]).astype(np.float64) @ backbone.weight)
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    one = items.take([7])
    alone = bank(tmp_path / "b", one, plan=plan).extract(backbone, one)
    assert np.abs(alone[0] - rows[7]).max() <= 1e-5 * np.abs(rows[7]).max()


def test_a_cache_too_small_for_anything_still_gives_the_right_rows(tmp_path):
    items = texts(35)
    whole = bank(tmp_path / "a", items).extract(Fake(), items)
    made = bank(tmp_path / "b", items, cap=1)
    np.testing.assert_array_equal(made.extract(Fake(), items), whole)
    assert [fact.words for fact in made.facts(items)] == [3 if i * 7 % 23 else 2 for i in range(35)]


def test_damaged_shards_are_computed_anew(tmp_path):
    items = texts(12)
    whole = bank(tmp_path, items).extract(Fake(), items)
    for path in (tmp_path / "features").rglob("features.npy"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    transform = Telltale()
    np.testing.assert_array_equal(bank(tmp_path, items).extract(Fake(transform), items), whole)
    assert len(transform.prepared) == 12


def test_progress_counts_the_items_that_are_computed(tmp_path):
    items = texts(25)
    events = []
    made = bank(tmp_path, items, record=Record(listeners=(events.append,)))
    made.extract(Fake(), items.take(np.argsort(items.digests)[:5]))
    made.extract(Fake(), items)
    made.extract(Fake(), items)
    done = [(event["done"], event["total"]) for event in events if event["event"] == "progress"]
    assert done == [(4, 10), (8, 10), (10, 10), (4, 15), (8, 15), (10, 15), (14, 15), (15, 15)]


def test_reading_keeps_its_order_and_never_runs_far_ahead():
    running, furthest, taken, lock = [], [], [], threading.Lock()

    def work(i):
        with lock:
            running.append(i)
            furthest.append(max(running) - len(taken))
        time.sleep(0.001 * (i % 3))
        return i * i

    with ThreadPoolExecutor(3) as pool:
        for result in in_order(pool, work, range(40), 5):
            taken.append(result)
    assert taken == [i * i for i in range(40)]
    assert max(furthest) <= 6


def test_what_is_missing_is_counted_and_not_computed(tmp_path):
    items, transform, other = texts(25), Telltale(), Telltale(2.0)
    first = bank(tmp_path, items)
    ask = [(Fake(transform), None), (Fake(other), None)]
    assert first.missing(items, ask) == [25, 25]
    assert transform.prepared == []
    first.extract(ask[0][0], items)
    assert first.missing(items, ask) == [0, 25]
    first.extract(ask[1][0], items.take(np.argsort(items.digests)[:3]))
    assert first.missing(items, ask) == [0, 15]
    assert bank(tmp_path, items).missing(items, ask) == [0, 15]


def test_facts_hold_fingerprints_and_times(tmp_path):
    items = pictures(tmp_path)
    facts = bank(tmp_path / "cache", items).facts(items)
    assert all(len(fact.fingerprint) == 16 and fact.taken == "" for fact in facts)
    assert len({fact.fingerprint for fact in facts}) == len(facts)
