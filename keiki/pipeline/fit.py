"""The order of a fit: read, look, split, select, judge, bundle, report."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

from keiki.artifacts.origin import Columns
from keiki.backbones.cache import Cache, open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.errors import KeikiError, RequestError
from keiki.core.files import write_json, write_text
from keiki.core.random import Randomness
from keiki.core.record import Listener, Record
from keiki.data.load import Pieces, place_of
from keiki.data.task import Dataset, Task
from keiki.engines.plan import Plan, make_plan
from keiki.evaluation.ledger import Ledger
from keiki.evaluation.protocol import dependent
from keiki.evaluation.report import page, schema, sentences, snippet
from keiki.evaluation.report.start import Start
from keiki.evaluation.risk_coverage import risk_coverage
from keiki.methods.base import METHODS, Method
from keiki.metrics.base import METRICS
from keiki.pipeline import answers, starts, trained
from keiki.pipeline import folder as folders
from keiki.pipeline.cautions import cautions
from keiki.pipeline.deliver import deliver, measure, shipped_model
from keiki.pipeline.estimate import SHIPPED, Estimate, estimate
from keiki.pipeline.evidence import Evidence, find_metric, metric_name, weigh
from keiki.pipeline.health import examine
from keiki.pipeline.method import make_method, refuse_modality, refuse_unfit
from keiki.pipeline.old_data import forgotten, read_old
from keiki.pipeline.prepare import choose_backbone, choose_controls, datasets, look, read_all
from keiki.pipeline.reporting import build_report
from keiki.pipeline.request import FitRequest, place, place_or_share, seconds, writable
from keiki.pipeline.showing import in_values, nameless, without_names
from keiki.pipeline.source import Source, digest_of, locate, only_trained_on, open_source
from keiki.pipeline.starts import judge_start
from keiki.pipeline.summary import finish, summarise, test_digest
from keiki.selection.budget import Budget
from keiki.selection.select import select
from keiki.selection.workshop import Workshop

NAMING = ("warnings", "notes", "findings")  # what of run.json may name items
REFUSED = RequestError.exit_code  # of errors that the request or the data are to blame for


@dataclass(frozen=True)
class Run:
    """A finished fit: its folder, the content of run.json, and the report."""

    folder: Path
    summary: dict[str, Any]
    report: schema.Report

    def closing_lines(self) -> tuple[str, ...]:
        """How good, did transfer help, what to watch, where the report is, what next."""
        return sentences.closing_lines(self.report, str(self.folder / "report.html"))

    def _repr_html_(self) -> str:
        return snippet.run_snippet(self.report, str(self.folder / "report.html"))


def fit(
    data: object,
    *,
    out: str | Path | None = None,
    options: Mapping[str, object] | Sequence[str] = (),
    budget: str | float | None = None,
    listeners: tuple[Listener, ...] = (),
    **wishes: Any,
) -> Run:
    """Adapt a pretrained model to labelled data, with proof, report and bundle: what `keiki fit` does.

    data: the path of a folder, a zip, a table or arrays; or an object: a pandas DataFrame, a Hugging Face Dataset, a
    Bunch of scikit-learn, a pair (X, y) of arrays. An object is written to the cache first, so that the run can be gone
    on with; so are val, test, add and old. The other arguments are those of the command line (see `FitRequest`): input,
    label, files, group, time, method, backbone, metric, positive, controls, accuracy, seed, samples; source (--from, a
    run, a bundle or a safetensors file) and old.
    Raises KeikiError; what it says names the next step.
    """
    request = make_request(data, out=out, options=options, budget=budget, **wishes)
    folder = folders.open_folder(request)
    try:
        return run(request, folder, listeners)
    except KeikiError as error:
        if error.exit_code == REFUSED:
            folders.withdraw(folder)  # nothing there is worth going on with, and the next try may want its name
        raise


def make_request(
    data: object,
    *,
    out: str | Path | None = None,
    options: Mapping[str, object] | Sequence[str] = (),
    budget: str | float | None = None,
    **wishes: Any,
) -> FitRequest:
    """The request that the arguments of `fit` make."""
    texts = [f"{name}={value}" for name, value in options.items()] if isinstance(options, Mapping) else options
    return FitRequest(
        data=on_disk(data),
        out=None if out is None else writable(str(out)),
        options=tuple(texts),
        budget=seconds(str(budget)) if budget is not None else None,
        **_places(wishes),
    )


def resume(
    folder: str | Path | None = None, listeners: tuple[Listener, ...] = (), *, data: str | Path | None = None
) -> Run:
    """Go on with a run that was cut: the one in `folder`, or the newest under `runs/`.

    data: what it must be a run on, if given; raises RequestError where it is not.
    """
    wanted = None if data is None else place(str(data))
    path = folders.cut_run(wanted) if folder is None else Path(folder)
    request = folders.reopen(path)
    if wanted is not None and request.data != wanted:
        raise RequestError(
            f"The run in '{path}' is on '{request.data}', not on '{wanted}'.",
            hint="Go on with it by --resume --out alone, or begin anew with another --out.",
        )
    return run(request, path, listeners)


def run(request: FitRequest, folder: Path, listeners: tuple[Listener, ...] = ()) -> Run:
    """Carry out a request in its folder; raises RequestError where another process is doing so."""
    with folders.held(folder):
        return _run(request, folder, listeners)


def _run(request: FitRequest, folder: Path, listeners: tuple[Listener, ...]) -> Run:
    record = Record(folder / folders.LOG, listeners)
    record.event("run", folder=str(folder))
    random = Randomness(request.seed)
    method = make_method(request)
    METRICS.get(metric_name(request.metric))  # a wrong name is answered before the data are read
    cache = open_cache()
    plan = _plan(folder)
    bank = FeatureBank(cache, plan, record)
    with record.stage("read"):
        pieces = read_all(request)
        if not request.samples:
            record.written = partial(in_values, plainly=_nameless(pieces))
        record.event("notes", notes=notes(pieces))
        modality = pieces.data.items.modality
        source = open_source(request, modality)
        record.event("notes", notes=[] if source is None else list(source.notes))
        backbone = choose_backbone(request, modality) if source is None else source.backbone
        refuse_modality(method, modality)
        controls = choose_controls(request, modality, method, backbone)
        old = read_old(request, source)
        pieces = only_trained_on(pieces, source)
        posed = pieces.task(request.seed)
        find_metric(request.metric, request.positive, posed)  # refused before anything is computed
        refuse_unfit(method, backbone, posed.target, bank)
    with record.stage("features"):
        seen = look(pieces, bank, backbone, controls, random, record)
        task = seen.task(request.seed, request.near_copies)
        metric = find_metric(request.metric, request.positive, task)
    shop = Workshop(backbone, cache, bank, plan, random, record, folder / folders.CHECKPOINTS, folder / folders.PLAN)
    shop.device = request.device
    folders.same_data(folder, task)
    with record.stage("fit"):
        choose = partial(_select, shop, [method], controls)
        found = estimate(task, choose, Budget(request.budget, tries=request.method == "auto"), record)
        shipped_model(shop, task, found.final)
    _separate_controls(record, shop)
    with record.stage("evaluate"):
        evidence = weigh(task, found, metric, request.accuracy, random)
        looks = _look(cache, task, folder)
        risk = risk_coverage(found.probabilities[SHIPPED], found.labels, dependent(found.groups))
        answers.write(folder, task, found, samples=request.samples)
        start = None if source is None else _start(source, old, request, method, task, found, evidence, shop)
    with record.stage("health"):
        findings = examine(task, seen.alike, found, evidence, bank, backbone, random)
        warnings = [
            *starts.cautions(start, metric.name, sentences.noun(modality)),
            *trained.cautions(found.final),
            *cautions(task, looks, findings),
        ]
        summary = summarise(folder.name, request, task, found, evidence, shop, warnings, findings, start)
        if not request.samples:
            summary |= {name: in_values(summary[name], nameless(task)) for name in NAMING}
    with record.stage("bundle"):
        card, columns = _card(summary, request.samples), Columns.of(request.to_json())
        deliver(folder / "bundle", shop, task, found.final, evidence.threshold, request.accuracy, card, columns)
        delivered = measure(folder / "bundle", task)
    with record.stage("report"):
        report = build_report(
            folder,
            request,
            task,
            found,
            evidence,
            shop,
            record,
            looks,
            warnings,
            delivered,
            findings=findings,
            risk=risk,
            start=start,
        )
        content = schema.to_json(report)
        write_json(folder / "report.json", content)
        write_text(folder / "report.html", page.render_report(report))
    write_json(folder / folders.DONE, finish(summary, record))
    folders.tidy(folder)
    folders.point_to(folder)
    return Run(folder, folders.read(folder / folders.DONE), report)


def _start(
    source: Source,
    old: Dataset | None,
    request: FitRequest,
    method: Method,
    task: Task,
    found: Estimate,
    evidence: Evidence,
    shop: Workshop,
) -> Start:
    """What the user's own model was worth as a start, and what is left of its old task."""
    digest, random = request.source_digest or digest_of(source.place), shop.random
    start = judge_start(source, method, task, found, evidence, shop.bank, digest, random)
    if old is None:
        return start
    model = shipped_model(shop, task, found.final)
    learned = frozenset(task.training_view().items.digests)
    bank = FeatureBank(shop.cache, shop.plan, shop.record)
    temperature = found.final.temperatures[found.final.winner]
    return replace(start, old=forgotten(old, source, model, temperature, learned, bank, random))


def notes(pieces: Pieces) -> list[str]:
    """What was guessed of the data on reading."""
    parts = [part for part in (pieces.data, pieces.val, pieces.test) if isinstance(part, Dataset)]
    return list(dict.fromkeys(note for part in parts for note in part.notes))


def _nameless(pieces: Pieces) -> Callable[[str], str]:
    """What takes the names of all items that were read, and of their groups, out of a text."""
    parts = datasets(pieces)
    items = reduce(operator.add, (part.items for part in parts))
    return without_names(
        items,
        [each for part in parts for each in part.skipped],
        [name for part in parts for name in part.groups or ()],
    )


def _select(shop: Workshop, methods: list[Method], controls: list[Method], *args: Any) -> Any:
    view, test, budget = args
    return select(shop, view, test, methods, controls, budget)


def _plan(folder: Path) -> Plan:
    """The plan of this run: written before its first use, read again on resume."""
    path = folder / folders.PLAN
    if not path.is_file():
        write_json(path, make_plan().to_json())
    return Plan.from_json(folders.read(path))


def _look(cache: Cache, task: Task, folder: Path) -> int | None:
    if task.protocol == "nested":
        return None
    return Ledger(cache.root / "looks.jsonl").look(test_digest(task), run=str(folder), purpose="fit")


def _separate_controls(record: Record, shop: Workshop) -> None:
    """Book the time of controls under their own name."""
    controls = sum(spent for name, spent in shop.seconds.items() if "control" in METHODS.get(name).tags)
    record.seconds["fit"] -= controls
    record.seconds["controls"] = controls


def _card(summary: dict[str, Any], samples: bool) -> dict[str, Any]:
    """What the model card tells; warnings may name items, so without samples there are none in it."""
    warnings = [{"text": each["what"]} for each in summary["warnings"] if samples]
    return {**{name: summary[name] for name in ("task", "test", "transfer")}, "warnings": warnings}


def on_disk(data: object) -> str:
    """The absolute path of `data`; an object is written to the cache first."""
    return place(str(place_of(data)))


def _places(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Wishes with their paths made absolute."""
    out = dict(wishes)
    for name in ("val", "test"):
        if out.get(name) is not None:
            given = out[name]
            out[name] = place_or_share(name, given) if isinstance(given, float | str) else on_disk(given)
    for name in ("files", "add", "old"):
        if out.get(name) is not None:
            out[name] = on_disk(out[name])
    if out.get("source") is not None:
        where = locate(Path(place(str(out["source"]))))
        out |= {"source": writable(str(where)), "source_digest": digest_of(where)}
    return out


__all__ = ["Evidence", "Run", "fit", "resume", "run"]
