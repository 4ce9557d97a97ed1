"""Names that tell of sides, directions, characters and numbers keep flips off; all others do not."""

import pytest

from keiki.data.augment.orientation import by_names


@pytest.mark.parametrize(
    "classes",
    [
        ["left", "right"],
        ["turn_left", "straight"],
        ["TurnRight", "other"],
        ["left-handed", "ambidextrous"],
        ["counter-clockwise", "still"],
        ["mirrored", "plain"],
        ["arrow", "circle"],
        ["thumbs up", "thumbs down"],
        ["facing forward", "facing backward"],
        ["exit east", "exit west"],
        ["links abbiegen", "rechts abbiegen"],
        ["左", "右"],
        ["b", "d"],
        ["p", "q", "noise"],
        ["0", "1", "2"],
        ["00012", "00013"],
        ["letter q", "letter r"],
        ["digit_seven", "digit_eight"],
        ["Three", "Four"],
        ["cat", "dog", "7"],
    ],
)
def test_flips_are_off(classes: list[str]) -> None:
    found = by_names(classes)
    assert not found.allowed
    assert any(name in found.reason for name in classes)


@pytest.mark.parametrize(
    "classes",
    [
        ["cat", "dog"],
        ["leftover", "bright", "upright"],  # words that only contain such a word
        ["west highland terrier", "pug"],  # a direction without its opposite
        ["pick-up", "down jacket"],
        ["normal", "pneumonia"],
        ["one piece", "bikini"],
        ["class 1", "class 2"],  # a name that has more than a number
        ["rust", "scab", "healthy"],
        [],
    ],
)
def test_flips_are_on(classes: list[str]) -> None:
    assert by_names(classes).allowed


def test_many_classes_take_no_time() -> None:
    import time

    start = time.process_time()
    assert by_names([f"thing {i}x of many east" for i in range(5000)]).allowed
    assert time.process_time() - start < 2
