"""Tasks: what is given is honoured, what belongs together stays together, and nothing peeks at the test set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from keiki.core.errors import DataError, RequestError
from keiki.core.files import sha256_bytes
from keiki.data.split import make_task
from keiki.data.task import Dataset, Items, Part, Task


def dataset(
    labels: Sequence[str],
    *,
    parts: Sequence[Part] | None = None,
    groups: Sequence[str] | None = None,
    texts: Sequence[str] | None = None,
    times: Sequence[float] | None = None,
    name: str = "data",
) -> Dataset:
    n = len(labels)
    raws = tuple(texts or [f"{name} text {i}" for i in range(n)])
    items = Items("text", tuple(f"row {i}" for i in range(n)), raws, tuple(sha256_bytes(t.encode()) for t in raws))
    return Dataset(
        name,
        items,
        tuple(labels),
        tuple(parts or [""] * n),
        None if groups is None else tuple(groups),
        None if times is None else tuple(times),
    )


def classes_of(task: Task, rows: np.ndarray) -> list[str]:
    return [task.target.classes[c] for c in task.labels[rows]]


def whats(task: Task) -> str:
    return " ".join(each["what"] for each in task.warnings)


PAIRS = ["a", "b"] * 60


def test_small_data_are_judged_by_nested_folds() -> None:
    task = make_task(dataset(PAIRS))
    assert task.protocol == "nested"
    assert len(task.test) == len(task.val) == 0
    assert task.outer.shape == (3, 120)  # below 200 items three times
    for folds in task.outer:
        assert np.bincount(folds).tolist() == [24] * 5
        assert all((folds[task.labels == c] == f).sum() == 12 for c in range(2) for f in range(5))
    assert (task.outer[0] != task.outer[1]).any()
    assert make_task(dataset(PAIRS * 2)).outer.shape == (1, 240)


def test_large_data_keep_a_fifth_apart() -> None:
    task = make_task(dataset(PAIRS * 20))
    assert task.protocol == "held-out"
    assert len(task.test) == 480
    assert sorted(classes_of(task, task.test)).count("a") == 240
    assert len(np.intersect1d(task.train, task.test)) == 0
    assert task.outer.shape == (0, 2400)


def test_same_seed_same_task() -> None:
    one, other, third = (make_task(dataset(PAIRS), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.outer, other.outer)
    assert (one.outer != third.outer).any()
    np.testing.assert_array_equal(one.training_view().folds, other.training_view().folds)


def test_given_parts_are_honoured() -> None:
    parts: list[Part] = ["train"] * 20 + ["val"] * 6 + ["test"] * 8
    task = make_task(dataset((["a", "b"] * 20)[:34], parts=parts))
    assert task.protocol == "given"
    assert (task.train.tolist(), task.val.tolist(), task.test.tolist()) == (
        list(range(20)),
        list(range(20, 26)),
        list(range(26, 34)),
    )


def test_given_datasets_are_appended_and_ids_told_apart() -> None:
    task = make_task(dataset(PAIRS), test=dataset(["a", "b"], name="exam"))
    assert task.protocol == "given"
    assert task.test.tolist() == [120, 121]
    assert task.items.ids[120] == "exam/row 0"


def test_two_test_sets_are_refused() -> None:
    with pytest.raises(RequestError, match="test part of its own"):
        make_task(dataset(["a", "b", "a"], parts=["train", "train", "test"]), test=0.2)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 3.0])
def test_impossible_shares_are_refused(share: float) -> None:
    with pytest.raises(RequestError, match="between 0 and 1"):
        make_task(dataset(PAIRS), test=share)
    with pytest.raises(RequestError, match="nothing to train on"):
        make_task(dataset(PAIRS), test=0.5, val=0.5)


def test_shares_are_drawn_for_validation_and_test() -> None:
    task = make_task(dataset(PAIRS), val=0.25, test=0.5)
    assert (len(task.train), len(task.val), len(task.test)) == (45, 15, 60)
    assert task.protocol == "held-out"
    assert sorted([*task.train, *task.val, *task.test]) == list(range(120))


def test_classes_are_matched_by_name() -> None:
    exam = dataset(["dog", "bird", "dog"], name="exam")
    task = make_task(dataset(["cat", "dog", "bird", "cat", "dog"]), test=exam)
    assert task.target.classes == ("bird", "cat", "dog")
    assert classes_of(task, task.test) == ["dog", "bird", "dog"]
    assert "'cat' (2 items)" in whats(task)  # no test item: not evaluated


def test_classes_are_in_natural_order() -> None:
    assert make_task(dataset(["class 10", "class 9", "class 1"] * 2)).target.classes == (
        "class 1",
        "class 9",
        "class 10",
    )


def test_classes_that_training_lacks_are_left_out_and_said() -> None:
    exam = dataset(["cat", "zebra", "dog"], name="exam")
    task = make_task(dataset(["cat", "dog"] * 3), test=exam)
    assert task.target.classes == ("cat", "dog")
    assert len(task.test) == 2
    assert "'zebra'" in whats(task)
    assert task.skipped[0].reason == "its class 'zebra' is not in the training data"
    with pytest.raises(DataError, match="No test item"):
        make_task(dataset(["cat", "dog"]), test=dataset(["emu"], name="exam"))


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="only one class, 'a'"):
        make_task(dataset(["a"] * 10))


def test_no_labels_are_refused() -> None:
    bare = Dataset("x", dataset(["a"]).items, None, ("",))
    with pytest.raises(DataError, match="no labels"):
        make_task(bare)


def test_a_class_with_one_item_is_trained_on_but_not_evaluated() -> None:
    task = make_task(dataset([*PAIRS, "rare"]))
    assert task.outer.shape == (3, 121)
    assert (task.outer[:, 120] == -1).all()
    assert 120 in task.train
    assert "'rare' (1 item)" in whats(task)
    large = make_task(dataset([*(PAIRS * 20), "rare"]))
    assert 2400 in large.train
    assert "'rare' (1 item)" in whats(large)


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(DataError, match="Nothing could be evaluated"):
        make_task(dataset(["a", "b", "c"]))


def test_a_class_in_one_group_is_not_evaluated() -> None:
    groups = [f"g{i}" for i in range(120)] + ["one"] * 5
    task = make_task(dataset([*PAIRS, *["c"] * 5], groups=groups))
    assert (task.outer[:, 120:] == -1).all()
    assert "'c' (5 items)" in whats(task)


@pytest.mark.parametrize("n", [120, 2400])
def test_groups_and_copies_stay_on_one_side(n: int) -> None:
    labels = ["a", "b"] * (n // 2)
    groups = [f"g{i // 6}" for i in range(n)]
    texts = [f"text {i}" for i in range(n)]
    texts[7] = texts[50] = texts[0]  # copies join three groups
    task = make_task(dataset(labels, groups=groups, texts=texts))
    assert task.groups[0] == task.groups[7] == task.groups[50] == task.groups[48]
    for folds in [*task.outer, np.isin(np.arange(n), task.test).astype(int)]:
        for g in np.unique(task.groups):
            assert len(set(folds[task.groups == g].tolist())) == 1
    view = task.training_view()
    for folds in view.folds:
        assert all(len(set(folds[view.groups == g].tolist())) == 1 for g in np.unique(view.groups))


def test_every_tested_class_is_known_to_its_training_side() -> None:
    rng = np.random.default_rng(0)
    for seed in range(30):
        labels = rng.choice(list("abcde"), 40).tolist()
        groups = rng.choice([f"g{i}" for i in range(8)], 40).tolist()
        try:
            task = make_task(dataset(labels, groups=groups), seed=seed)
        except DataError:
            continue
        for folds in task.outer:
            for fold in set(folds.tolist()) - {-1}:
                assert set(task.labels[folds == fold]) <= set(task.labels[folds != fold])


def test_copies_across_given_parts_are_kept_but_said() -> None:
    exam = dataset(["a", "b"], texts=["data text 0", "new"], name="exam")
    task = make_task(dataset(PAIRS), test=exam)
    assert len(task.test) == 2
    assert "1 test items are exact or near copies of training items: 'exam/row 0'" in whats(task)


def test_groups_across_given_parts_are_said() -> None:
    parts: list[Part] = ["train"] * 4 + ["test"] * 2
    task = make_task(dataset(["a", "b"] * 3, parts=parts, groups=["p", "q", "r", "s", "p", "z"]))
    assert "1 test items are in one group with training items: 'row 4'" in whats(task)


def test_copies_under_two_labels_are_said() -> None:
    texts = [f"t{i}" for i in range(118)] + ["same", "same"]
    task = make_task(dataset(PAIRS, texts=texts))
    assert "1 item occurs under different labels: 'row 118', 'row 119' as 'a' and 'b'" in whats(task)
    assert "1 set of exact copies (2 items) kept together." in task.notes


def test_warnings_are_json() -> None:
    task = make_task(dataset([*PAIRS, "rare"]))
    assert json.loads(json.dumps(task.warnings))
    assert all(set(each) == {"what", "remedy"} for each in task.warnings)


def test_view_has_five_even_folds() -> None:
    view = make_task(dataset(PAIRS)).training_view()
    assert view.folds.shape == (1, 120)
    assert np.bincount(view.folds[0]).tolist() == [24] * 5
    small = make_task(dataset(["a", "b"] * 40)).training_view()
    assert small.folds.shape == (2, 80)
    assert (small.folds[0] != small.folds[1]).any()


def test_tiny_classes_get_fewer_folds() -> None:
    view = make_task(dataset([c for c in "abcdef" for _ in range(2)])).training_view()
    assert set(view.folds[0].tolist()) == {0, 1, 2}


def test_given_validation_rows_are_fold_zero() -> None:
    task = make_task(dataset(PAIRS), val=dataset(["a", "b"] * 5, name="val"), test=dataset(["a", "b"], name="test"))
    view = task.training_view()
    assert len(view) == 130
    assert (view.folds[0][-10:] == 0).all()
    assert set(view.folds[0][:120].tolist()) == {1, 2, 3, 4}


def test_view_never_holds_test_rows() -> None:
    task = make_task(dataset(PAIRS), test=0.5)
    seen = set(task.training_view().items.ids)
    assert not seen & {task.items.ids[i] for i in task.test}
    with pytest.raises(RequestError, match="test set"):
        task.training_view(task.test)


def test_view_of_some_rows_keeps_all_classes_in_their_places() -> None:
    task = make_task(dataset(PAIRS))
    rows = np.flatnonzero(task.outer[0] != 0)
    view = task.training_view(rows)
    assert view.target == task.target
    np.testing.assert_array_equal(view.labels, task.labels[rows])
    assert view.items.ids == task.items.take(rows).ids
    np.testing.assert_array_equal(view.folds, task.training_view(rows).folds)


def test_test_labels_change_nothing_that_training_sees() -> None:
    exam = dataset(["a", "b"] * 5, name="exam")
    other = dataset(["b", "a"] * 5, name="exam")
    one, two = (make_task(dataset(PAIRS), test=each).training_view() for each in (exam, other))
    np.testing.assert_array_equal(one.folds, two.folds)
    np.testing.assert_array_equal(one.labels, two.labels)
    assert one.random == two.random


def test_training_rows_that_belong_with_validation_are_never_tested() -> None:
    val = dataset(["a", "b"], texts=["data text 0", "data text 1"], name="val")
    task = make_task(dataset(PAIRS), val=val)
    assert (task.outer[:, [0, 1, 120, 121]] == -1).all()


def test_kinds_are_not_mixed() -> None:
    pictures = Dataset("p", Items("image", ("x",), ("x",), ("x",)), ("a",), ("",))
    with pytest.raises(DataError, match="of one kind"):
        make_task(dataset(PAIRS), test=pictures)


DAY = 86_400.0


def contents(n: int, *sets: Sequence[int]) -> dict[str, int]:
    """What `alike` would say: some of the texts of `dataset` are near copies."""
    return {sha256_bytes(f"data text {i}".encode()): k for k, rows in enumerate(sets) for i in rows}


def test_near_copies_stay_on_one_side() -> None:
    alike = contents(120, [0, 1, 2], [7, 40])
    task = make_task(dataset(PAIRS), alike=alike)
    for folds in task.outer:
        assert len(set(folds[[0, 1, 2]].tolist())) == 1
        assert len(set(folds[[7, 40]].tolist())) == 1
    assert "2 sets of exact or near copies (5 items) kept together." in task.notes
    large = make_task(dataset(PAIRS * 20), alike=alike)
    assert np.isin([0, 1, 2], large.test).sum() in (0, 3)


def test_near_copies_and_groups_join() -> None:
    groups = [f"g{i // 2}" for i in range(120)]
    task = make_task(dataset(PAIRS, groups=groups), alike=contents(120, [1, 2]))
    assert len(set(task.groups[:4].tolist())) == 1
    assert task.declared == tuple(groups)
    assert make_task(dataset(PAIRS)).declared is None


def test_near_copies_across_given_parts_are_kept_but_said() -> None:
    exam = dataset(["a", "b"], texts=["nearly data text 0", "new"], name="exam")
    alike = {**contents(120, [0]), sha256_bytes(b"nearly data text 0"): 0}
    task = make_task(dataset(PAIRS), test=exam, alike=alike)
    assert len(task.test) == 2
    assert "1 test items are exact or near copies of training items: 'exam/row 0'" in whats(task)


def test_with_times_the_newest_part_is_the_test_set() -> None:
    rng = np.random.default_rng(0)
    times = rng.permutation(120) * DAY
    task = make_task(dataset(PAIRS, times=times))
    assert task.protocol == "held-out"
    assert len(task.test) == 24
    assert times[task.test].min() > times[task.train].max()
    assert task.times == tuple(times)
    assert "The test set is the newest part: 24 items from 1970-04-07 on; what is trained on is older." in task.notes
    assert len(make_task(dataset(PAIRS, times=times), test=0.5).test) == 60
    validated = make_task(dataset(PAIRS, times=times), val=0.25)
    assert len(validated.val) == 24
    assert validated.test.tolist() == task.test.tolist()


def test_nothing_is_newer_than_the_cut_and_equal_times_stay_together() -> None:
    times = [DAY * (i // 7) for i in range(120)]
    task = make_task(dataset(PAIRS, times=times))
    cut = min(times[row] for row in task.test)
    assert all(times[row] < cut for row in task.train)
    assert len(task.test) == 29  # four whole weeks and a day


def test_a_group_is_as_new_as_its_newest_item() -> None:
    times = [DAY * i for i in range(120)]
    groups = [f"g{i}" for i in range(120)]
    groups[3] = groups[119]
    task = make_task(dataset(PAIRS, times=times, groups=groups))
    assert 3 in task.test
    assert 119 in task.test
    assert any("1 of them older ones that belong with newer ones" in note for note in task.notes)
    near = make_task(dataset(PAIRS, times=times), alike=contents(120, [5, 118]))
    assert {5, 118} <= set(near.test.tolist())


def test_groups_that_reach_far_back_do_not_make_the_newest_part_old() -> None:
    """Forty groups of four, each ten days after the one before; the last ten begin on the first day and end anew."""
    groups = [f"g{i // 4}" for i in range(160)]
    times = [DAY * (10 * (i // 4) if i < 120 or i % 4 == 3 else 0) for i in range(160)]
    task = make_task(dataset(["a", "b"] * 80, times=times, groups=groups))
    assert task.test.tolist() == list(range(88, 120))
    assert any("32 items from 1970-08-09 on; 10 items as new or newer are trained on" in note for note in task.notes)
    assert "10 of the items that are trained on are as new as the test set or newer" in whats(task)
    every = [DAY * (10 * (i // 4) if i % 4 == 3 else 0) for i in range(160)]
    old = make_task(dataset(["a", "b"] * 80, times=every, groups=groups))  # the middle of all groups is the first day
    assert old.test.tolist() == list(range(128, 160))
    assert any("32 items from 1970-11-17 on, 24 of them older ones" in note for note in old.notes)


def test_a_moment_that_holds_too_much_is_left_out_if_the_rest_is_nearer_to_the_share() -> None:
    times = [DAY * (0 if i < 62 else 9 if i < 100 else 18) for i in range(120)]
    task = make_task(dataset(PAIRS, times=times))
    assert task.test.tolist() == list(range(100, 120))
    assert any("20 items (17% of all, for 20% that were wanted) from 1970-01-19 on" in note for note in task.notes)
    yearly = make_task(dataset(PAIRS, times=[DAY * (i // 68) for i in range(120)]))
    assert any("52 items (43% of all, for 20% that were wanted)" in note for note in yearly.notes)


def test_times_are_not_asked_where_the_test_set_is_given_and_that_is_said() -> None:
    parts: list[Part] = ["test" if i % 4 == 0 else "train" for i in range(120)]
    task = make_task(dataset(PAIRS, times=[DAY * i for i in range(120)], parts=parts))
    assert "The test set is the one that was given, so --time chose none." in task.notes
    timeless = make_task(dataset(PAIRS, times=[DAY * i for i in range(120)]), test=dataset(["a", "b"], name="exam"))
    assert "The test set is the one that was given, so --time chose none." in timeless.notes


def test_a_given_test_set_stands_whatever_the_times() -> None:
    times = [DAY * i for i in range(120)]
    exam = dataset(["a", "b"], times=[0.0, 0.0], name="exam")
    task = make_task(dataset(PAIRS, times=times), test=exam)
    assert task.protocol == "given"
    assert task.test.tolist() == [120, 121]
    assert task.times == (*times, 0.0, 0.0)
    assert make_task(dataset(PAIRS, times=times), test=dataset(["a", "b"], name="exam")).times is None


def test_new_classes_of_the_newest_part_are_said() -> None:
    labels = [*PAIRS[:100], *["c", "a"] * 10]
    task = make_task(dataset(labels, times=[DAY * i for i in range(120)]))
    assert task.target.classes == ("a", "b")
    assert "'c'" in whats(task)


def test_times_that_cannot_part_the_data_are_refused() -> None:
    with pytest.raises(DataError, match="the same time"):
        make_task(dataset(PAIRS, times=[5.0] * 120))
    with pytest.raises(DataError, match="are 8, too few to judge by; 10 are needed"):
        make_task(dataset(PAIRS[:40], times=[DAY * i for i in range(40)]))
    groups = ["old" if i % 3 else f"g{i}" for i in range(120)]
    with pytest.raises(DataError, match="cannot be cut off: .* it holds 8. of 120"):
        make_task(dataset(PAIRS, times=[DAY * i for i in range(120)], groups=groups))


def test_validation_items_that_were_given_are_never_tested() -> None:
    val = dataset(["a", "b"], texts=["data text 119", "v"], times=[0.0, 1.0], name="val")
    task = make_task(dataset(PAIRS, times=[DAY * i for i in range(120)]), val=val)
    assert 119 in task.train
    assert set(task.val.tolist()) == {120, 121}


@pytest.mark.parametrize(("val_day", "newer"), [(0.0, "1 item"), (100.0, "3 items")])
def test_what_is_trained_on_though_it_is_newer_is_counted(val_day: float, newer: str) -> None:
    groups = [f"g{i}" for i in range(119)]
    val = dataset(["a", "b"], groups=["shared", "v"], times=[val_day * DAY] * 2, name="val")
    task = make_task(dataset(PAIRS, times=[DAY * i for i in range(120)], groups=[*groups, "shared"]), val=val)
    assert task.test.tolist() == list(range(95, 119))
    times = np.array(task.times)
    assert (times[[*task.train, *task.val]] >= times[task.test].min()).sum() == int(newer[0])
    assert not any("what is trained on is older" in note for note in task.notes)
    assert any(f"; {newer} as new or newer " in note for note in task.notes)
    assert f"{newer[0]} of the items that are trained on " in whats(task)


def test_validation_items_without_times_are_refused_where_time_parts() -> None:
    timed = dataset(PAIRS, times=[DAY * i for i in range(120)])
    val, exam = dataset(["a", "b"], name="val"), dataset(["a", "b"], name="exam")
    with pytest.raises(DataError, match="the items of 'val' for --val have no time") as caught:
        make_task(timed, val=val)
    assert "--time" in caught.value.hint
    assert make_task(timed, val=val, test=exam).protocol == "given"


def test_spare_columns_go_along() -> None:
    one = replace(dataset(["a", "b"] * 3), spare={"patient": tuple("112233")})
    task = make_task(one, test=dataset(["a", "b"], name="exam"))
    assert task.spare == {"patient": (*"112233", None, None)}
    assert one.take([0, 5]).spare == {"patient": ("1", "3")}


def test_one_group_for_all_is_refused() -> None:
    with pytest.raises(DataError, match="All 120 items are of one group, 'ward 3'") as caught:
        make_task(dataset(PAIRS, groups=["ward 3"] * 120))
    assert "--group" in caught.value.hint
    with pytest.raises(DataError, match="All 120 items are copies of one another"):
        make_task(dataset(PAIRS, texts=["same"] * 120))


def test_one_class_is_refused_before_one_group() -> None:
    with pytest.raises(DataError, match="only one class"):
        make_task(dataset(["a"] * 20, groups=["ward 3"] * 20))


def test_a_class_of_nothing_but_near_copies_is_judged_all_the_same_and_that_is_said() -> None:
    labels = [*PAIRS, *["c"] * 6]
    task = make_task(dataset(labels), alike=contents(126, range(120, 126), [0, 1]))
    assert (task.outer[:, 120:] >= 0).any()
    assert task.groups[0] == task.groups[1]
    assert "All items of 'c' are near copies of one another." in whats(task)
    everything = make_task(dataset(PAIRS), alike=contents(120, range(120)))
    assert "All items of 'a', 'b' are near copies" in whats(everything)
    assert len(np.unique(everything.groups)) == 120
    exact = [f"t{i}" for i in range(120)] + ["same"] * 6
    copies = make_task(dataset(labels, texts=exact))
    assert (copies.outer[:, 120:] == -1).all()


def test_no_share_takes_all_of_a_class() -> None:
    for n_each, share in ((2, 0.8), (3, 0.9), (4, 0.97)):
        task = make_task(dataset([f"c{i}" for i in range(10)] * n_each), test=share)
        assert set(task.labels[task.train].tolist()) == set(range(10))
        assert len(task.train) == 10
    exam = dataset(["c1", "c2"], name="exam")
    validated = make_task(dataset([f"c{i}" for i in range(10)] * 3), val=0.8, test=exam)
    assert set(validated.labels[validated.train].tolist()) == set(range(10))
    assert len(validated.val) == 20


def test_a_small_share_is_met_over_all_classes() -> None:
    few = make_task(dataset([f"c{i}" for i in range(10)] * 4), test=0.1)
    assert len(few.test) == 4
    assert np.bincount(few.labels[few.test]).max() == 1
    many = make_task(dataset([f"c{i}" for i in range(1000)] * 2))  # the fifth that is taken from 2,000 items on
    assert (many.protocol, len(many.test)) == ("held-out", 400)
    assert np.bincount(many.labels[many.test]).max() == 1
    val = make_task(dataset([f"c{i}" for i in range(10)] * 4), val=0.05)
    assert len(val.val) == 2


def test_shares_are_met_with_groups_too() -> None:
    labels = [f"c{i % 12}" for i in range(600)]
    task = make_task(dataset(labels, groups=[f"g{i // 36}" for i in range(600)]), test=0.1)
    assert 36 <= len(task.test) <= 72
    assert not set(task.groups[task.test].tolist()) & set(task.groups[task.train].tolist())


def test_a_share_that_draws_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"--test 0.01 is less than one of 30 items") as caught:
        make_task(dataset(["a", "b"] * 15), test=0.01)
    assert "larger share" in caught.value.hint
    with pytest.raises(DataError, match=r"--val 0.2 .* none of the 3 items"):
        make_task(dataset(["a", "b", "c"]), val=0.2, test=dataset(["a"], name="exam"))


def test_a_share_that_cannot_be_met_is_said() -> None:
    labels = [*PAIRS[:40], *["lone"] * 60]  # 60 items in one group: all of their class
    task = make_task(dataset(labels, groups=[*(f"g{i}" for i in range(40)), *["one"] * 60]), test=0.6)
    assert len(task.test) == 24  # of the 40 that may be parted
    assert "--test 0.6 asks for 60 items, but only 24 could be set apart" in whats(task)


def test_two_groups_are_too_few_to_judge_and_to_choose_by() -> None:
    with pytest.raises(DataError, match="choose by: there are 2 groups. It takes 3 groups at least, one to judge by"):
        make_task(dataset(PAIRS, groups=["x" if i % 3 else "y" for i in range(120)]))
    with pytest.raises(DataError, match="The 60 items that are left to train on hang together"):
        make_task(dataset(PAIRS, groups=["x" if i < 60 else "y" for i in range(120)]), test=0.5)
    with pytest.raises(DataError, match="The 120 items to train on .* there is 1 group. It takes 2 groups at least"):
        make_task(dataset(PAIRS, groups=["x"] * 120), test=dataset(["a", "b"], name="exam"))
    assert len(make_task(dataset(PAIRS, groups=[f"g{i % 3}" for i in range(120)])).outer)


def test_groups_that_near_copies_join_are_told_from_groups() -> None:
    """Four groups; near copies join the first three, so that there are two sets of all."""
    data = dataset(PAIRS, groups=[f"g{i // 30}" for i in range(120)])
    alike = contents(120, [0, 30], [31, 60])
    with pytest.raises(
        DataError, match="choose by: 2 sets of near copies join 4 groups to 2, the largest with 90 items. It takes 3"
    ) as caught:
        make_task(data, alike=alike)
    assert "--near-copies apart" in caught.value.hint
    chunky = dataset(PAIRS, groups=[f"g{i // 12}" for i in range(120)])
    with pytest.raises(DataError, match="joins 10 groups to 3, the largest with 96 items. Ask for a smaller share"):
        make_task(chunky, test=0.2, alike=contents(120, [0, 12, 24, 36, 48, 60, 72, 84]))
    sorted_out = dataset(["a"] * 60 + ["b"] * 60, groups=["x"] * 60 + ["y"] * 60)
    with pytest.raises(DataError, match="judge by: 1 set of near copies joins 2 groups to 1") as caught:
        make_task(sorted_out, alike=contents(120, [0, 60]))
    assert "--near-copies apart" in caught.value.hint


def test_near_copies_stand_apart_where_that_is_asked_for_and_it_is_said() -> None:
    data = dataset(PAIRS, groups=[f"g{i // 30}" for i in range(120)])
    task = make_task(data, alike=contents(120, [0, 30], [31, 60, 61]), near_copies="apart")
    assert len(np.unique(task.groups)) == 4
    assert "2 sets of near copies (5 items) may stand on both sides" in whats(task)
    assert not make_task(data, alike={}, near_copies="apart").warnings


def test_a_class_that_hangs_together_through_groups_is_not_called_one_set_of_near_copies() -> None:
    labels = [*PAIRS, *["c"] * 6]
    groups = [f"g{i}" for i in range(120)] + ["p", "p", "q", "q", "r", "r"]
    task = make_task(dataset(labels, groups=groups), alike=contents(126, [121, 122], [123, 124]))
    said = whats(task)
    assert "All items of 'c' hang together, each class in itself, through 2 sets of near copies and the groups" in said
    assert "near copies of one another" not in said
    assert len(np.unique(task.groups[120:])) == 3
