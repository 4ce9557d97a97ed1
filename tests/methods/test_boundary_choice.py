"""When the answers of frozen stages are not kept, and what the facts say of it; a whole run keeps to its decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiki.core.files import read_json
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.selection.workshop import Workshop
from keiki.testing.playground import Playground, playground, same, small, weights_of


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("image", tmp_path_factory.mktemp("ground"))


def facts(ground: Playground, **options: object) -> object:
    return ground.train(small("full-finetune", freeze="1", epochs=1, refit="no", **options)).facts["boundary"]


def test_no_variants_keep_augmentation_and_say_why(ground: Playground) -> None:
    plain = {"freeze": "1", "epochs": 1, "augment": "light", "refit": "no"}
    without = ground.train(small("full-finetune", **plain, boundary="off"))
    asked = ground.train(small("full-finetune", **plain, variants=0))
    assert same(weights_of(asked), weights_of(without))  # the items were varied all the same
    told = asked.facts["boundary"]
    assert "variants=0" in told["why_not"]
    assert told["stages"] == 1
    assert without.facts["boundary"] is None


def test_without_augmentation_no_variants_are_wanted(ground: Playground) -> None:
    told = facts(ground, augment="none", variants=0)
    assert isinstance(told, dict)
    assert told["why_not"] == ""


def test_mixed_items_are_told(ground: Playground) -> None:
    told = facts(ground, augment="light", mixup=0.2)
    assert isinstance(told, dict)
    assert "mixed" in told["why_not"]


def test_what_was_cut_short_is_told_and_kept_for_a_resume(ground: Playground, tmp_path: Path) -> None:
    def run(time_is_over: bool) -> dict[str, object]:
        bank = ground.bank()
        shop = Workshop(ground.backbone, ground.cache, bank, ground.plan, Randomness(0), Record(),
                        checkpoints=tmp_path, decisions=tmp_path / "plan.json")  # fmt: skip
        bank.out_of_time = lambda: time_is_over
        method = small("full-finetune", freeze="2", epochs=1, augment="light", variants=3, refit="no")
        return shop.fit(method, ground.view, ground.test).facts

    first = run(True)
    assert "time ran out: 0 of 4 variants" in str(first["boundary"])
    assert run(False)["boundary"] == first["boundary"]
    decided = read_json(tmp_path / "plan.json")["decided"]
    assert {question.split(",")[0].split(" of ")[0] for question in decided} >= {"boundary after 2 stages"}
