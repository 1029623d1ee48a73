# make demo    flows for a few sentences: the shortest way to see it work
# make test    the tests            make check   lint and types            make bench   how fast it is here
# make corpus  the training corpus  make train   the model that ships          make parity  the shipped model decides as its weights do

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# where pip looks for torch besides PyPI, for instance https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

.PHONY: demo test test-ray test-distributed check bench corpus train parity clean
.DELETE_ON_ERROR:

demo: $(VENV)/core.stamp
	@BIN=$(BIN) runs/demo.sh

test: $(VENV)/all.stamp
	$(BIN)/python -m pytest $(TESTS)

# Ray is large: what needs it has an environment of its own and is skipped, and says so, elsewhere
test-ray: $(VENV)/all.stamp
	$(PIP) --editable '.[ray]'
	$(BIN)/python -m pytest tests/test_corpus_ray.py

# several processes, killed and gone on with; DeepSpeed is built where it is installed
test-distributed: $(VENV)/all.stamp
	$(PIP) 'deepspeed>=0.19'
	NL2DSL_DISTRIBUTED=1 $(BIN)/python -m pytest tests/test_sft_processes.py

check: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the train extra adds the comparisons with transformers and with MiniLM as it comes; without it they are skipped and say so
bench: $(VENV)/core.stamp
	@for name in speed cold_start language roundtrip fuzz validity retrieval; do $(BIN)/python -m benchmarks.$$name || exit 1; done

corpus: $(VENV)/core.stamp
	@BIN=$(BIN) runs/corpus.sh

train: $(VENV)/all.stamp
	$(BIN)/nl2dsl train recipes/train/embedded.toml

parity: $(VENV)/all.stamp
	$(BIN)/nl2dsl parity src/nl2dsl/models/embedded

# uv makes the environment where it is installed; pip fills it, because it is pip that is told where the CPU build of torch lies
$(BIN)/python:
	@if command -v uv >/dev/null 2>&1; then uv venv --quiet --seed $(VENV); else $(PYTHON) -m venv $(VENV); fi

$(VENV)/core.stamp: pyproject.toml | $(BIN)/python
	@echo "installing nl2dsl into $(VENV) ..." >&2
	@$(PIP) --editable .
	@touch $@

$(VENV)/all.stamp: pyproject.toml | $(BIN)/python
	@echo "installing nl2dsl with everything for tests and training into $(VENV) ..." >&2
	@$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable '.[train,finetune,dev]'
	@touch $@ $(VENV)/core.stamp

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
