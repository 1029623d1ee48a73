"""The decoder is Mistral's, layer by layer, and answers the same with its past as without."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from nl2dsl.training.network import Decoder, Size, Writer  # noqa: E402

SIZE = Size(hidden_size=64, num_hidden_layers=3, num_attention_heads=8, num_key_value_heads=2, intermediate_size=112, rope_theta=5000.0)


def causal(t: int) -> torch.Tensor:
    return torch.where(torch.ones(t, t, dtype=torch.bool).tril(), 0.0, -1e4)[None, None]


def random_decoder(seed: int = 0) -> Decoder:
    torch.manual_seed(seed)
    made = Decoder(SIZE)
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return made.eval()


@pytest.mark.filterwarnings("ignore")
def test_it_computes_what_mistral_of_transformers_computes_on_the_same_weights() -> None:
    ours = random_decoder()
    config = transformers.MistralConfig(**SIZE.as_dict(), vocab_size=3, sliding_window=None, attn_implementation="eager")
    theirs = transformers.MistralModel(config).eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert (missing, unexpected) == (["embed_tokens.weight"], [])
    x = torch.randn(2, 9, SIZE.hidden_size)
    with torch.no_grad():
        expected = theirs(inputs_embeds=x).last_hidden_state
        made, _ = ours(x, torch.arange(9).expand(2, 9), causal(9))
    assert torch.allclose(made, expected, atol=2e-5), float((made - expected).abs().max())


def test_one_place_at_a_time_gives_the_states_of_all_places_at_once() -> None:
    decoder, x = random_decoder(), torch.randn(1, 6, SIZE.hidden_size)
    with torch.no_grad():
        whole, _ = decoder(x, torch.arange(6)[None], causal(6))
        past, made = None, []
        for t in range(6):
            state, past = decoder(x[:, t : t + 1], torch.tensor([[t]]), torch.zeros(1, 1, 1, t + 1), past)
            made.append(state)
    assert torch.allclose(torch.cat(made, dim=1), whole, atol=1e-5)


def test_what_comes_later_changes_nothing_before() -> None:
    decoder, x = random_decoder(), torch.randn(1, 6, SIZE.hidden_size)
    other = torch.cat([x[:, :4], torch.randn(1, 2, SIZE.hidden_size)], dim=1)
    with torch.no_grad():
        first, _ = decoder(x, torch.arange(6)[None], causal(6))
        second, _ = decoder(other, torch.arange(6)[None], causal(6))
    assert torch.equal(first[:, :4], second[:, :4])
    assert not torch.allclose(first[:, 4:], second[:, 4:])


def test_the_heads_fall_into_symbols_and_five_pointers() -> None:
    writer = Writer(SIZE, fixed=7, operations=5)
    parts = writer.split(writer.heads(torch.randn(2, SIZE.hidden_size)))
    assert [p.shape[-1] for p in parts] == [7, 384, 384, 384, 384, 384]
