"""How long a request takes, stage by stage; what jumping over forced decisions saves; what the typed automaton costs; and, ten requests by ten in turn, the same decoder
shape in transformers.

The comparison is of decoding alone: `MistralForCausalLM` with the decoder's shape and random weights (float32, greedy, key-value cache) gets `inputs_embeds` of the same length
and writes as many tokens as the flow had decisions. It has a process of its own and takes turns with us every ten requests: on a machine whose speed wavers only neighbours
compare, but after a fifth of a second without work its call took three times as long as one of several in a row. It knows no grammar: what it writes is no flow.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import MODEL, head, milliseconds, options, progress, skip, table, threads, validation
from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation.statistics import percentile, quantile

STAGES = ("retrieve", "prompt", "decode", "check", "compile", "total")


def spread(name: str, seconds: list[float]) -> list[str]:
    return [name, *(milliseconds(percentile(seconds, p)) for p in (10, 50, 90)), f"{len(seconds):,}"]


TURN = 10  # requests of the one before the other has its turn
HEADER = ["ms", "P10", "P50", "P90", "n"]


def stages(generator: Any, queries: list[str]) -> None:
    from nl2dsl.outcome import Authored

    for query in queries[:5]:
        generator.generate(query)
    outcomes = [generator.generate(query) for query in progress(queries, "requests")]
    flows = sum(isinstance(o, Authored) for o in outcomes)
    table([HEADER, *(spread(name, [o.facts.seconds[name] for o in outcomes if name in o.facts.seconds]) for name in STAGES)])
    made, forced = (sum(o.facts.tokens.get(k, 0) for o in outcomes) for k in ("completion", "forced"))
    prompt = sum(o.facts.tokens.get("prompt", 0) for o in outcomes) / len(outcomes)
    print(
        f"  {flows} of {len(outcomes)} are flows; a request: prompt {prompt:.0f} places, {made / len(outcomes):.1f} decisions, {100 * forced / max(made, 1):.0f} % of them forced\n"
    )


def decoding(generator: Any, queries: list[str], other: Other | None, limit: int) -> None:
    """Decoding with and without jumps and, for the first `limit` requests, by the other one, in turn."""
    from nl2dsl.decoding.automaton import Automaton
    from nl2dsl.decoding.search import search

    engine, vocabulary = generator.engine, generator.vocabulary
    tables = vocabulary.tables
    times: dict[bool, list[float]] = {True: [], False: []}
    others: list[float] = []
    waiting: list[tuple[int, int]] = []
    for n, query in enumerate(progress(queries, "decoding")):
        read, ids = engine.read(query)
        retrieved = engine.retrieve(ids)
        for jump in (True, False) if n % 2 else (False, True):
            scorer = engine.start(ids, vocabulary, retrieved)
            start = time.perf_counter()
            found = search(scorer, Automaton(tables.list, read), tables, jump=jump)
            times[jump].append(time.perf_counter() - start)
        if other and n < limit:
            waiting.append((len(ids) + len(scorer.candidates) + 1, len(found.decisions)))
            if len(waiting) == TURN or n == min(limit, len(queries)) - 1:
                others += [other(*size) for size in waiting]
                waiting = []
    table([["decoding alone, ms", *HEADER[1:]], spread("with jump", times[True]), spread("without jump", times[False])])
    if other:
        mine = times[True][: len(others)]
        ratios = [b / a for a, b in zip(mine, others, strict=True)]
        table([[other.title, *HEADER[1:]], spread("generate, same prefix and length", others), spread("decoding, the same requests", mine)])
        ratio = quantile(ratios, 50)
        print(f"  generate takes {ratio.value:.2f} times as long [{ratio.low:.2f}, {ratio.high:.2f}], median over the requests\n")


def automaton_cost(generator: Any, queries: list[str]) -> None:
    """Time for `allowed` and `push`, over the decisions of real flows."""
    from nl2dsl.decoding.automaton import Automaton
    from nl2dsl.decoding.search import search

    engine, vocabulary, seconds = generator.engine, generator.vocabulary, list[float]()
    tables = vocabulary.tables
    for query in queries[:40]:
        read, ids = engine.read(query)
        decisions = search(engine.start(ids, vocabulary), Automaton(tables.list, read), tables).decisions
        for _ in range(5):
            automaton, start = Automaton(tables.list, read), time.perf_counter()
            for decision in decisions:
                automaton.allowed()
                automaton.push(decision)
            seconds.append((time.perf_counter() - start) / len(decisions))
    table(
        [
            ["microseconds a decision", *HEADER[1:]],
            ["mask and push", *(f"{1e6 * percentile(seconds, p):.1f}" for p in (10, 50, 90)), f"{len(seconds)}"],
        ]
    )


class Other:
    """The decoder's shape in transformers, in a process of its own. Raises `ImportError` where it is not installed."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_other, args=(theirs, threads()), daemon=True)
        self.process.start()
        self.title, missing = self.pipe.recv()
        if missing:
            raise ImportError(name=missing)
        for _ in range(3):
            self(40, 16)

    def __call__(self, prefix: int, new: int) -> float:
        """Seconds for `new` tokens after a prefix."""
        self.pipe.send((prefix, new))
        seconds: float = self.pipe.recv()
        return seconds


def _other(pipe: Any, cores: int) -> None:
    """The other process: answers each (prefix, new) with seconds."""
    try:
        import torch
        import transformers
        from transformers import MistralConfig, MistralForCausalLM

        from nl2dsl.decoding.actions import FIXED
        from nl2dsl.training.network import WIDTH, Size
    except ImportError as problem:
        pipe.send(("", problem.name))
        return
    torch.set_num_threads(cores)
    torch.manual_seed(0)
    shape = {k: v for k, v in Size().as_dict().items() if k != "rope_theta"}
    vocabulary = len(FIXED) + 5 * WIDTH  # an output layer as wide as the heads
    model: Any = MistralForCausalLM(MistralConfig(**shape, vocab_size=vocabulary, pad_token_id=0, eos_token_id=None, bos_token_id=1)).eval()
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    pipe.send((f"transformers {transformers.__version__}, torch {torch.__version__}, {parameters:.1f} M, ms", ""))
    with torch.inference_mode():
        while True:
            try:
                prefix, new = pipe.recv()
            except EOFError:
                return
            embeds, mask = torch.randn(1, prefix, Size().hidden_size) * 0.02, torch.ones(1, prefix, dtype=torch.long)
            start = time.perf_counter()
            out = model.generate(inputs_embeds=embeds, attention_mask=mask, max_new_tokens=new, min_new_tokens=new, do_sample=False)
            seconds = time.perf_counter() - start
            assert out.shape[1] == new, (out.shape, new)
            pipe.send(seconds)


def beside() -> Other | None:
    try:
        return Other()
    except ImportError as problem:
        skip(f"transformers side by side: {problem.name} is not installed (pip install 'nl2dsl[train]')")
        return None


def main(words: list[str] | None = None) -> int:
    cli = options("speed", __doc__, 200)
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    cli.add_argument("--transformers-limit", type=int, default=100, metavar="N", help="requests for the comparison; 0 leaves it out")
    args = cli.parse_args(words)
    head("speed", f"Speed: a request to a checked flow, {threads()} threads, one request at a time", words)
    try:
        from nl2dsl.generate import Generator

        generator = Generator(model=args.model)
    except Nl2DslError as problem:
        skip(problem)
        return 0
    queries = [r.query for r in validation(args.limit)]
    stages(generator, queries)
    decoding(generator, queries, beside() if args.transformers_limit else None, args.transformers_limit)
    automaton_cost(generator, queries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
