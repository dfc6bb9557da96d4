"""The language model."""

import numpy as np
import pytest

import tilewright
from tilewright.lm import LanguageModel, LmState, Trainer

CONFIG = {"vocab_size": 256, "hidden_size": 64, "num_hidden_layers": 2, "num_heads": 2, "eos_token_id": None, "bos_token_id": None, "pad_token_id": None}


@pytest.fixture(scope="module")
def model():
    return LanguageModel.random(CONFIG, seed=3)


def test_files_and_description(model, tmp_path):
    model.save(tmp_path)
    again = tilewright.LanguageModel.load(tmp_path)
    assert again.config == model.config and again.parameters == model.parameters > 1000
    assert again.dtype == "f32" and again.device.name == "cpu"
    ours, _ = model.logits([[1, 2, 3]])
    assert ours.shape == (1, 3, 256) and ours.tobytes() == again.logits([[1, 2, 3]])[0].tobytes()
    assert LanguageModel.load(tmp_path, dtype="bf16").dtype == "bf16"


def test_a_state_continues_a_text(model):
    whole, _ = model.next([[1, 2, 3, 4], [5, 6, 7, 8]])
    _, state = model.next([[1, 2], [5, 6]])
    assert state.batch == 2
    saved = {name: np.array(tensor) for name, tensor in state.tensors().items()}
    for each in (state, LmState.from_tensors(saved)):
        np.testing.assert_allclose(model.next([[3, 4], [7, 8]], each)[0], whole, rtol=1e-4, atol=1e-4)


def test_generation_streams_and_stops(model):
    greedy = list(model.generate([1, 2], max_tokens=6, temperature=0))
    assert len(greedy) == 6
    tokens, state = [], None
    given = [1, 2]
    for _ in range(6):
        logits, state = model.next([given], state)
        tokens.append(int(np.argmax(logits)))
        given = tokens[-1:]
    assert tokens == greedy
    assert list(model.generate([1, 2], max_tokens=9, temperature=0, stop_token_ids=[greedy[2]])) == greedy[: greedy.index(greedy[2]) + 1]
    drawn = [list(model.generate([1], max_tokens=8, seed=seed)) for seed in (4, 4, 5)]
    assert drawn[0] == drawn[1] != drawn[2]
    endless = model.generate([1], max_tokens=1 << 40)
    assert 0 <= next(endless) < 256
    endless.close()
    pairs = list(model.generate_batch([[1, 2], [7]], max_tokens=3, temperature=0))
    assert [token for text, token in pairs if text == 0] == greedy[:3] and len(pairs) == 6
    assert all(isinstance(piece, str) for piece in model.write("naïve", max_tokens=5, seed=1))


def test_perplexity(model):
    assert 200 < model.perplexity(list(range(64)) * 2, context=32) < 400


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (OSError, "config.json", lambda model: LanguageModel.load("/nowhere")),
        (ValueError, "config: ", lambda model: LanguageModel.random({"num_heads": "two"})),
        (ValueError, "7 heads", lambda model: LanguageModel.random(CONFIG | {"num_heads": 7})),
        (ValueError, "token is 256", lambda model: model.logits([[256]])),
        (ValueError, "token is 999", lambda model: list(model.generate([999]))),
        (ValueError, "top_p is 0", lambda model: model.generate([1], top_p=0.0)),
        (ValueError, "at least one", lambda model: list(model.generate([]))),
        (ValueError, "text is empty", lambda model: model.write("")),
        (NotImplementedError, "cuda:63", lambda model: LanguageModel.random(CONFIG, device="cuda:63")),
    ],
)
def test_errors_name_the_argument(model, error, message, call):
    with pytest.raises(error, match=message):
        call(model)


def test_a_model_learns_and_goes_on_from_a_checkpoint(model, tmp_path):
    text = "abcdefgh" * 200
    options = {"steps": 30, "batch": 4, "context": 32, "rate": 1e-2, "warmup": 5}
    trainer = Trainer(model, text, **options)
    before = model.perplexity(list(text.encode()), context=32)
    steps = [next(trainer) for _ in range(10)]
    trainer.save(tmp_path / "half")
    steps += list(trainer)
    assert [each.step for each in steps] == list(range(1, 31)) and trainer.steps == 30
    assert steps[-1].loss < 0.5 < 5 < steps[0].loss and steps[0].tokens == 128
    assert [each.loss for each in steps] == trainer.losses and trainer.curve().startswith("<svg")
    again = Trainer.resume(tmp_path / "half", text)
    assert [each.loss for each in again] == trainer.losses[10:]
    assert again.model().perplexity(list(text.encode()), context=32) < 2 < before
    assert model.perplexity(list(text.encode()), context=32) == before, "the model that was given is as it was"
    assert "".join(trainer.model().write("abc", max_tokens=5, temperature=0)) == "defgh"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rate": -1.0}, ValueError, "rate"),
        ({"batch": 0}, ValueError, "batch"),
        ({"context": 10_000}, ValueError, "text"),
        ({"optimizer": "sgd"}, ValueError, "sgd"),
        ({"steps": -1}, ValueError, "-1"),
    ],
)
def test_what_a_trainer_refuses(model, options, error, message):
    with pytest.raises(error, match=message):
        Trainer(model, "some text", **{"context": 4, **options})
