"""`--from`: a fit that starts from a model of the user's own, what that is worth, and what becomes of the old task."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import keiki
from keiki.cli.main import main
from keiki.core.errors import BundleError, DataError, OptionError, RequestError
from keiki.core.files import read_json
from keiki.evaluation.report.page import render
from keiki.pipeline.answers import read
from keiki.pipeline.fit import Run, fit, make_request, resume
from keiki.pipeline.prepare import choose_backbone
from keiki.pipeline.source import open_source
from keiki.pipeline.starts import among
from keiki.testing.tiny import TinyVision, easy_dataset

Rows = list[tuple[str, str]]
Write = Callable[..., Path]
Fit = Callable[..., Run]
TUNED: dict[str, Any] = {"method": "full-finetune", "options": ["epochs=2", "batch_size=8", "learning_rate=1e-2"]}


def some_rows(seed: int, n_each: int = 20, **renamed: str) -> Rows:
    """(text, label): three classes, with other names where `renamed` says so; another seed, other texts."""
    data = easy_dataset("text", Path("unused"), n_each=n_each, seed=seed)
    assert data.labels is not None
    pairs = zip(data.items.raws, data.labels, strict=True)
    return [(str(raw), renamed.get(label, label)) for raw, label in pairs]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on old texts of blue, green and red: `tuned` (its body has moved) and `probe` (it has not)."""
    root = tmp_path_factory.mktemp("made")
    lines = ["text,label", *(f"{text},{label}" for text, label in some_rows(11))]
    (root / "old.csv").write_text("\n".join(lines), encoding="utf-8")
    common: dict[str, Any] = {"backbone": "tiny:text", "test": 0.25, "controls": "none"}
    fit(root / "old.csv", out=root / "tuned", **common, **TUNED)
    fit(root / "old.csv", out=root / "probe", **common)
    return root


@pytest.fixture
def old(made: Path) -> Path:
    return made / "old.csv"


@pytest.fixture
def new(table: Write) -> Path:
    """New texts: blue and green are known, crimson is not."""
    return table(some_rows(12, red="crimson"), "new.csv")


def started(data: Path, source: Path, **wishes: Any) -> Run:
    return fit(data, out="run", **{"source": source, "test": 0.25, "controls": "none", **wishes})


def test_a_tuned_run_gives_its_body_its_head_and_its_name(made: Path, new: Path) -> None:
    run = started(new, made / "tuned")
    block = run.summary["start"]
    assert run.summary["backbone"] == "own:tuned"
    assert (block["from"], block["base"], block["own_body"], block["known"]) == ("tuned", "tiny:text", True, 2)
    assert block["digest"] == read_json(made / "tuned/bundle/bundle.json")["digest"]
    backbone = choose_backbone(make_request(new, source=made / "tuned"), "text")
    bundle = keiki.load(made / "tuned")
    weights = load_file(made / "tuned/bundle/model.safetensors")
    for name, tensor in backbone.module().state_dict().items():
        assert torch.equal(tensor, weights[f"backbone.{name}"])
    head = backbone.source_head()
    assert head is not None
    texts = [text for text, _ in some_rows(12)]
    np.testing.assert_allclose(
        head.head.logits(bundle.features(texts)), bundle.logits(texts) / float(weights["temperature"]), atol=1e-4
    )
    assert head.classes == ("blue", "green", "red")


@pytest.mark.parametrize("way", ["tuned", "tuned/bundle", "tuned/bundle/model.safetensors"])
def test_run_bundle_and_its_file_are_the_same_model(way: str, made: Path, new: Path) -> None:
    request = make_request(new, source=made / way)
    assert request.source == str((made / "tuned/bundle").resolve())
    assert (
        choose_backbone(request, "text").card == choose_backbone(make_request(new, source=made / "tuned"), "text").card
    )


def test_the_last_run_is_what_it_was_when_it_was_named(made: Path, new: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "last").symlink_to(made / "tuned")
    assert make_request(new, source="runs/last").source == str((made / "tuned/bundle").resolve())


def test_the_public_start_is_the_same_method_from_the_public_backbone(made: Path, new: Path) -> None:
    """Its answers are those of a fit that has never heard of the user's model."""
    run = started(new, made / "tuned", controls="quick")
    plain = fit(new, out="plain", backbone="tiny:text", test=0.25, controls="quick")
    found = run.summary["start"]["against_public"]
    public = next(row for row in plain.report.transfer.rows if row.method == "linear-probe")  # type: ignore[union-attr]
    own = next(row for row in run.report.transfer.rows if row.method == "linear-probe")  # type: ignore[union-attr]
    assert found["public"]["value"] == public.score.value
    assert found["own"]["value"] == own.score.value
    assert found["difference"]["value"] == pytest.approx(own.score.value - public.score.value)
    assert found["method"] == "linear probe"


def test_the_public_start_takes_no_part_in_the_verdict_on_transfer(made: Path, new: Path) -> None:
    run = started(new, made / "tuned", controls="quick")
    assert {each["method"] for each in run.summary["controls"]} == {"majority", "tfidf-logistic"}
    assert run.summary["transfer"]["against"] != "public-start"
    rows = {row.method: row.role for row in run.report.transfer.rows}  # type: ignore[union-attr]
    assert rows["public-start"] == "probe"
    lines = run.closing_lines()
    assert any(line.startswith("your model as a start: ") for line in lines)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert 'id="start"' in page
    assert "Your model as a start" in page
    assert render(read_json(run.folder / "report.json")) == page


def test_a_probe_brings_its_head_alone_and_no_second_pass(made: Path, new: Path) -> None:
    events: list[dict[str, Any]] = []
    fit(new, out="plain", backbone="tiny:text", test=0.25, controls="none")
    run = started(new, made / "probe", controls="quick", listeners=(events.append,))
    block = run.summary["start"]
    assert (block["own_body"], block["against_public"], block["known"]) == (False, None, 2)
    assert not [each for each in events if each.get("event") == "progress" and each.get("name") == "features"]
    assert "its body is the public 'tiny:text'" in "\n".join(run.closing_lines())


def test_a_model_of_a_model_stands_on_the_public_one_and_carries_all_that_it_needs(made: Path, new: Path) -> None:
    """A probe on a tuned body: nobody else has that body, so the bundle has it, and a third fit starts from it."""
    run = started(new, made / "tuned")
    bundle = run.folder / "bundle"
    ours, theirs = (load_file(each / "model.safetensors") for each in (bundle, made / "tuned/bundle"))
    names = [name for name in theirs if name.startswith("backbone.")]
    assert names
    assert all(torch.equal(ours[name], theirs[name]) for name in names)
    again = choose_backbone(make_request(new, source=run.folder), "text")
    assert again.public.card.name == "tiny:text"
    assert again.card.name == "own:run"
    before = choose_backbone(make_request(new, source=made / "tuned"), "text").module().state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in again.module().state_dict().items())


def test_regularisers_pull_toward_the_own_model(made: Path, new: Path) -> None:
    """With a pull that outweighs everything the body stays where the user's model was, not where the public one is."""
    options = ["epochs=1", "batch_size=8", "alpha=1e4", "learning_rate=1e-5"]
    run = started(new, made / "tuned", method="l2-sp", options=options)
    ours, theirs = (load_file(each / "bundle/model.safetensors") for each in (run.folder, made / "tuned"))
    public = choose_backbone(make_request(new, backbone="tiny:text"), "text").module().state_dict()
    for name in public:
        moved = (ours[f"backbone.{name}"] - theirs[f"backbone.{name}"]).abs().max()
        assert moved <= 1e-3
    assert any((ours[f"backbone.{name}"] - tensor).abs().max() > 1e-3 for name, tensor in public.items())


def test_a_tuned_body_that_has_not_moved_is_the_public_one(made: Path, new: Path) -> None:
    """Early stopping may keep the state before the first step."""
    common: dict[str, Any] = {"backbone": "tiny:text", "test": 0.25, "controls": "none"}
    fit(new, out="still", method="lp-ft", options=["epochs=1", "batch_size=8", "learning_rate=1e-12"], **common)
    names = load_file("still/bundle/model.safetensors")
    assert any(name.startswith("backbone.") for name in names)
    public = choose_backbone(make_request(new, backbone="tiny:text"), "text")
    backbone = choose_backbone(make_request(new, source="still"), "text")
    assert (backbone.body.card == public.card) == _equal(public.module().state_dict(), names)
    assert backbone.own_weights() == {} or backbone.body is backbone


def _equal(public: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, tensors[f"backbone.{name}"]) for name, tensor in public.items())


# The model as it was, and items that it has seen


def test_where_it_knows_all_classes_the_model_as_it_was_is_set_beside(made: Path, table: Write) -> None:
    """By hand: the bundle's own answers on the items that judge."""
    rows = some_rows(13, n_each=30)
    data = table([(text, "red" if i % 5 == 0 else label) for i, (text, label) in enumerate(rows)], "noisy.csv")
    run = started(data, made / "tuned", test=0.4)
    found = run.summary["start"]["as_it_was"]
    answers = read(run.folder)
    by_digest = {sha256(text): text for text, _ in rows}
    texts = [by_digest[each] for each in answers.digests]
    assert len(texts) == found["n"]
    told = keiki.load(made / "tuned").predict(texts).labels
    right = [told[i] == answers.classes[label] for i, label in enumerate(answers.labels.tolist())]
    assert 0 < sum(right) < len(right)
    assert found["score"]["value"] == pytest.approx(np.mean(right))
    shipped = float((answers.probabilities.argmax(axis=1) == answers.labels).mean())
    assert found["difference"]["value"] == pytest.approx(shipped - np.mean(right))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_answers_among_fewer_classes_add_up_to_one() -> None:
    given = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    found = among(given, ("a", "b", "c"), ("c", "b"))
    np.testing.assert_allclose(found, [[0.4, 0.6], [0.5, 0.5]])


def test_items_that_it_learned_from_judge_nothing(made: Path, table: Write) -> None:
    """Grown data: the old rows and new ones in one table. The figure is of the new ones."""
    data = table([*some_rows(11), *some_rows(14)], "grown.csv")
    run = started(data, made / "tuned", test=0.3)
    seen = keiki.load(made / "tuned").seen()
    judged = set(read(run.folder).digests)
    assert judged
    assert judged.isdisjoint(seen)
    assert run.summary["start"]["judged_seen"] == 0
    assert run.summary["start"]["learned_seen"] == 45
    assert any("45 items are known to the model" in note for note in run.summary["notes"])
    assert any("45 training items had been learned from" in note for note in run.summary["notes"])


def test_in_a_given_test_set_they_are_counted_and_the_figure_without_them_is_told(
    made: Path, table: Write, old: Path
) -> None:
    test = table([*some_rows(11)[:30], *some_rows(15)[:30]], "test.csv")
    run = started(table(some_rows(16), "new.csv"), made / "tuned", test=str(test))
    seen = keiki.load(made / "tuned").seen()
    n = sum(sha256(text) in seen for text, _ in some_rows(11)[:30])
    block = run.summary["start"]
    assert (block["judged"], block["judged_seen"]) == (60, n)
    assert block["without_them"] is not None
    assert any(f"{n} texts of 60 that judge had been learned from" in each["what"] for each in run.summary["warnings"])


# The old task


def test_what_is_forgotten_is_measured_on_the_same_items(made: Path, table: Write, new: Path) -> None:
    """By hand: both bundles on the unseen old items of the classes that both can name."""
    rows = some_rows(17, n_each=30)
    data = table([*rows, ("the sea", "unheard"), ("a leaf", "unheard")], "more-old.csv")
    run = started(new, made / "tuned", old=data)
    found = run.summary["start"]["old"]
    shared = [(text, label) for text, label in rows if label in ("blue", "green")]
    truth = np.array([label for _, label in shared])
    before, after = (
        np.array(keiki.load(each).predict([text for text, _ in shared]).labels) == truth
        for each in (made / "tuned", run.folder)
    )
    assert found["n"] == len(shared) == 60
    assert found["before"]["value"] == pytest.approx(before.mean())
    assert found["after"]["value"] == pytest.approx(after.mean())
    assert found["difference"]["value"] == pytest.approx(after.mean() - before.mean())
    assert (found["unnamed"], found["unnamed_classes"], found["foreign"]) == (30, ["red"], 2)
    assert found["only_unseen"]
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "The old task" in page
    assert "cannot name" in page


def test_old_items_that_were_learned_from_are_counted_and_left_out_where_others_are_there(
    made: Path, old: Path, new: Path, table: Write
) -> None:
    run = started(new, made / "tuned", old=old)
    found = run.summary["start"]["old"]
    assert (found["seen_by_source"], found["only_unseen"], found["n"]) == (45, False, 40)
    both = table([*some_rows(11), *some_rows(18)], "both.csv")
    again = fit(new, out="again", source=made / "tuned", test=0.25, controls="none", old=both)
    kept = again.summary["start"]["old"]
    assert kept["only_unseen"]
    assert kept["n"] == 80 - 30  # of blue and green, 15 of each were learned from


def test_old_items_go_through_the_whole_network_where_the_fit_kept_what_frozen_stages_answer(
    made: Path, new: Path, old: Path
) -> None:
    options = ["epochs=1", "batch_size=8", "freeze=1"]
    run = started(new, made / "tuned", old=old, method="lp-ft", options=options)
    texts, labels = zip(*[row for row in some_rows(11) if row[1] != "red"], strict=True)
    right = np.array(keiki.load(run.folder).predict(list(texts)).labels) == np.array(labels)
    assert run.summary["start"]["old"]["after"]["value"] == pytest.approx(right.mean())


def test_a_model_that_can_name_none_of_the_old_classes_has_forgotten_them_all(
    made: Path, table: Write, old: Path
) -> None:
    data = table(some_rows(12, red="rouge", blue="bleu", green="vert"), "french.csv")
    run = started(data, made / "tuned", old=old)
    found = run.summary["start"]["old"]
    assert (found["verdict"], found["after"], found["unnamed"]) == ("not comparable", None, 60)
    assert found["before"]["value"] > 0.5
    watch = next(line for line in run.closing_lines() if line.startswith("watch: "))
    assert "the new model can name none of its classes" in watch


def test_pictures_are_started_from_and_looked_back_on_too(painted: Path, quick: Fit, tmp_path: Path) -> None:
    quick(painted, "pictures", **TUNED)
    run = fit(painted, out="run", source="pictures", test=0.25, seed=1, controls="none", old=painted)
    block = run.summary["start"]
    assert block["own_body"]
    assert block["judged_seen"] > 0  # too few are new to judge by them alone
    assert any("that judge had been learned from" in each["what"] for each in run.summary["warnings"])
    assert block["old"]["n"] == 36


# Files


@pytest.fixture
def mine(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny vision network as a file, its names behind a prefix."""

    def write(metadata: dict[str, str] | None = None, *, head: bool = False) -> Path:
        tensors = {f"module.{n}": t.contiguous() for n, t in TinyVision(seed=7).module().state_dict().items()}
        if head:
            tensors |= {"module.fc.weight": torch.eye(3, 16), "module.fc.bias": torch.zeros(3)}
        save_file(tensors, tmp_path / "mine.safetensors", metadata)
        return tmp_path / "mine.safetensors"

    return write


def test_a_file_is_weights_of_the_backbone_that_is_named(mine: Callable[..., Path], photos: Path) -> None:
    run = started(photos, mine(), backbone="tiny:vision")
    block = run.summary["start"]
    assert (block["from"], block["base"], block["known"], block["as_it_was"]) == ("mine", "tiny:vision", None, None)
    assert block["own_body"]
    assert any("What 'mine.safetensors' was trained on is not known here" in note for note in run.summary["notes"])


@pytest.mark.parametrize("metadata", [{"classes": '["blue", "green", "red"]'},
                                      {"id2label": '{"0": "blue", "10": "red", "2": "green"}'}])  # fmt: skip
def test_a_classifier_in_it_is_known_by_the_names_beside_it(
    metadata: dict[str, str], mine: Callable[..., Path], photos: Path
) -> None:
    path = mine(metadata, head=True)
    head = choose_backbone(make_request(photos, source=path, backbone="tiny:vision"), "image").source_head()
    assert head is not None
    assert head.classes == ("blue", "green", "red")
    assert np.array_equal(head.head.weight, np.eye(3, 16))
    run = started(photos, path, backbone="tiny:vision", old=photos)
    assert run.summary["start"]["old"]["n"] == 36
    assert run.summary["start"]["as_it_was"] is None or run.summary["start"]["as_it_was"]["n"] == 9


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        (None, "the file does not name its classes"),
        ({"classes": "[1, 2]"}, "its metadata name 2 classes, but it has 3 outputs"),
        ({"classes": "not json"}, "its metadata name its classes in no form that is known"),
        ({"id2label": "[]"}, "its metadata name its classes in no form that is known"),
    ],
)
def test_a_classifier_without_names_is_left_and_said(
    metadata: dict[str, str] | None, why: str, mine: Callable[..., Path], photos: Path
) -> None:
    request = make_request(photos, source=mine(metadata, head=True), backbone="tiny:vision")
    source = open_source(request, "image")
    assert source is not None
    assert source.backbone.source_head() is None
    assert any(f"The classifier in 'mine.safetensors' was left: {why}" in note for note in source.notes)


def test_what_became_of_old_classes_without_names_cannot_be_asked(mine: Callable[..., Path], photos: Path) -> None:
    with pytest.raises(RequestError, match="does not say what its classes are called"):
        started(photos, mine(head=True), backbone="tiny:vision", old=photos)


# Resume


class Killed(BaseException):
    """Stands for SIGKILL."""


def stop(event: dict[str, Any]) -> None:
    if event.get("event") == "epoch":
        raise Killed


def test_resume_starts_from_the_same_model(made: Path, new: Path) -> None:
    whole = fit(new, out="whole", source=made / "tuned", test=0.25, controls="none", **TUNED)
    with pytest.raises(Killed):
        started(new, made / "tuned", listeners=(stop,), **TUNED)
    run = resume("run")
    names = ("test", "start", "method", "trainable_share")
    assert {name: run.summary[name] for name in names} == {name: whole.summary[name] for name in names}
    for name, tensor in load_file("run/bundle/model.safetensors").items():
        assert torch.equal(tensor, load_file("whole/bundle/model.safetensors")[name])


def test_resume_refuses_another_model_in_its_place(made: Path, new: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "tuned", tmp_path / "source")
    with pytest.raises(Killed):
        started(new, tmp_path / "source", listeners=(stop,), **TUNED)
    shutil.rmtree(tmp_path / "source")
    shutil.copytree(made / "probe", tmp_path / "source")
    with pytest.raises(RequestError, match="is not what it was when the run began"):
        resume("run")
    shutil.rmtree(tmp_path / "source")
    with pytest.raises(RequestError, match="to start from"):
        resume("run")


# Bad input


def refused(data: Path, source: object, **wishes: Any) -> str:
    with pytest.raises((RequestError, BundleError, DataError)) as told:
        started(data, source, **wishes)  # type: ignore[arg-type]
    assert not Path("run").exists()
    return str(told.value)


def test_what_is_no_model(new: Path, made: Path, tmp_path: Path) -> None:
    assert "Did you mean" in refused(new, made / "tunde")
    assert "--backbone" in refused(new, "minilm-l6")
    assert "neither a run nor a bundle" in refused(new, tmp_path)
    assert "neither a run, a bundle" in refused(new, new)
    for name in ("model.pth", "pytorch_model.bin", "last.ckpt"):
        (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
        assert "may run code when it is opened" in refused(new, tmp_path / name)
        assert "save_file" in refused(new, tmp_path / name)
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07")
    assert "a graph to answer with" in refused(new, tmp_path / "model.onnx")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    assert "cannot be read as safetensors" in refused(new, tmp_path / "bad.safetensors", backbone="tiny:text")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text("{}")
    assert "--backbone hf:" in refused(new, tmp_path / "hub")


def test_a_run_that_has_not_ended(new: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "tuned", tmp_path / "cut")
    (tmp_path / "cut/run.json").unlink()
    assert "has not ended" in refused(new, tmp_path / "cut")
    assert "has not ended" in refused(new, tmp_path / "cut/bundle")


def test_a_damaged_bundle(new: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "tuned", tmp_path / "damaged")
    file = tmp_path / "damaged/bundle/model.safetensors"
    content = file.read_bytes()
    file.write_bytes(bytes([*content[:-9], content[-9] ^ 1, *content[-8:]]))
    assert "was changed after it was written" in refused(new, tmp_path / "damaged")
    told = tmp_path / "damaged/bundle/bundle.json"
    told.write_bytes(told.read_bytes()[:300])
    assert "is damaged: it is not JSON" in refused(new, tmp_path / "damaged")


def test_a_bundle_whose_network_is_built_otherwise_here(new: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keiki.testing.tiny_networks import TinyWords

    really = TinyWords.forward

    def twice(self: TinyWords, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return 2 * really(self, input_ids, attention_mask)

    monkeypatch.setattr(TinyWords, "forward", twice)
    assert "does not answer like its bundle" in refused(new, made / "tuned")


def test_another_modality_or_architecture(new: Path, made: Path, photos: Path, mine: Callable[..., Path]) -> None:
    assert "is for texts, but the data are images" in refused(photos, made / "tuned")
    assert "--backbone says 'minilm-l6'" in refused(new, made / "tuned", backbone="minilm-l6")
    told = refused(new, mine(), backbone="tiny:text")
    assert "is no 'tiny:text': it lacks 'words.weight'" in told
    assert "It looks like 'tiny:vision', which is for images, not for texts." in told
    assert "is for images, but the data are texts" in refused(new, mine(), backbone="tiny:vision")


def test_adapters_are_no_start(new: Path, made: Path, tmp_path: Path) -> None:
    """They stand between the layers of the public network, which knows nothing of them."""
    options = ["epochs=1", "batch_size=8"]
    fit(
        made / "old.csv",
        out="bent",
        backbone="tiny:text",
        test=0.25,
        controls="none",
        method="adapter",
        options=options,
    )
    copied = shutil.copy("bent/bundle/model.safetensors", tmp_path / "copied.safetensors")
    for source in ("bent", copied):
        told = refused(new, source, backbone="tiny:text")
        assert "holds adapters, which a fit cannot start from" in told
        assert "lora, film or fine-tune" in told
        assert "backbones" not in told


def test_models_without_a_network(new: Path, tmp_path: Path) -> None:
    fit(new, out="words", backbone="tiny:text", test=0.25, controls="quick")
    if read_json(Path("words/run.json"))["method"] == "tfidf-logistic":
        assert "brings nothing pretrained along" in refused(new, "words")
    np.savez(tmp_path / "rows.npz", X=np.random.default_rng(0).normal(size=(60, 4)), y=np.arange(60) % 2)
    fit(tmp_path / "rows.npz", out="rows", test=0.25)
    assert "takes features as they are" in refused(new, "rows")


def test_old_data_that_say_nothing(made: Path, new: Path, photos: Path, table: Write) -> None:
    with pytest.raises(OptionError, match="--from"):
        make_request(new, old="old.csv")
    assert "knows none of them" in refused(
        new, made / "tuned", old=table(some_rows(1, blue="a", green="b", red="c"), "o.csv")
    )
    assert "of the kind 'image'" in refused(new, made / "tuned", old=photos)
    assert "No such file" in refused(new, made / "tuned", old="nowhere.csv")


def test_the_command_line(made: Path, new: Path, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["fit", str(new), "--test", "0.25", "--controls", "none", "--quiet"]
    assert main([*common, "--from", str(made / "tuned"), "--old", str(old), "--out", "run"]) == 0
    assert "your model as a start" in capsys.readouterr().out
    assert main([*common, "--from", str(made / "nothing")]) == 2
    assert main([*common, "--old", str(old)]) == 2
    assert main(["fit", "--resume", "--out", "run", "--from", "x"]) == 2
    assert "'from' cannot be changed" in capsys.readouterr().err
    assert main([*common, "--from", str(made / "tuned"), "--controls", "quick", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backbone"] == "own:tuned"
    assert "public-start" in found["controls"]
    assert found["untold"] == []  # a probe, whose time is known before
