# Every target does its own set-up: the first run makes .venv from the pinned requirements.lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint requirements.lock
export PYTHONPATH := $(CURDIR):$(CURDIR)/clients
export TOKENIZERS_PARALLELISM := false
# A worker a core; the tests of one file share its servers and stay in one worker.
PARALLEL ?= -n auto --dist loadfile

# Checks and formats the scripts of the report. Its binary is a package of npm's registry like any other.
BIOME := scripts/biome/node_modules/.bin/biome
define biome
	@if command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory $(BIOME) && $(BIOME) $(1) --config-path scripts/biome clients/babelscope/report/assets; \
	else echo 'npm is not installed: the scripts of the report were not checked'; fi
endef

.PHONY: help demo model emergence test test-fast lint type style protos protos-check clients bench soak studies docs lock clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.made: requirements.lock
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	$(PIP) 'torch==2.13.0' --editable '.[encoder,metrics,datagen,trainer,report,demo]'
	touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(PIP) 'torch==2.13.0' --editable '.[dev,demo]'
	touch $@ $(VENV)/.demo

$(BIOME): scripts/biome/package-lock.json
	npm ci --prefix scripts/biome --ignore-scripts --no-audit --no-fund --silent
	touch $@

demo: $(VENV)/.demo ## Set up, ask the papers' questions of the package's own model on text of the grammar, without a network
	mkdir -p out/demo/grammar
	$(BIN)/babelscope generate --grammar all --size 300 --seed 424242 --output 'out/demo/grammar/test.{language}.conllu'
	$(BIN)/babelscope generate --grammar en --size 1500 --seed 424243 --output 'out/demo/grammar/train.{language}.conllu'
	$(BIN)/babelscope generate --grammar en --size 200 --seed 424244 --output 'out/demo/grammar/dev.{language}.conllu'
	BABELSCOPE_HUB=$(if $(MODEL),true,false) $(BIN)/babelscope study studies/grammar.yaml --out out/demo $(if $(MODEL),--model $(MODEL))

model: $(VENV)/.dev ## Make the package's own model anew: an hour on a free core
	$(BIN)/python scripts/grammar_model.py --out out/grammar-8

EMERGENCE := out/emergence/text

$(EMERGENCE)/.made: | $(VENV)/.demo
	mkdir -p $(EMERGENCE)
	for domain in everyday nature; do for each in en:1000 es:1001; do \
		$(BIN)/babelscope generate --grammar $${each%:*} --kind documents --size 13000 --seed $${each#*:} --domain $$domain \
			--output "$(EMERGENCE)/$$domain.{language}.txt" || exit 1; done; done
	for each in en:5000 es:5001; do $(BIN)/babelscope generate --grammar $${each%:*} --kind documents --size 60 \
		--seed $${each#*:} --output '$(EMERGENCE)/dev.{language}.txt' || exit 1; done
	$(BIN)/babelscope generate --grammar en,es --size 300 --seed 424242 --output '$(EMERGENCE)/test.{language}.conllu'
	$(BIN)/babelscope generate --grammar en --size 1500 --seed 424243 --output '$(EMERGENCE)/train.{language}.conllu'
	$(BIN)/babelscope generate --grammar en --size 200 --seed 424244 --output '$(EMERGENCE)/tagdev.{language}.conllu'
	$(BIN)/babelscope generate --grammar en,es --kind dictionary --size 10000 --seed 7 --output '$(EMERGENCE)/pairs.{language}.tsv'
	awk -F '\t' 'NR > 1 && $$3 != $$4 {print $$3 "\t" $$4}' $(EMERGENCE)/pairs.es.tsv > $(EMERGENCE)/en-es.tsv
	touch $@

emergence: $(EMERGENCE)/.made ## Pretrain and measure small models under several settings: hours; goes on where it was when it was killed
	$(BIN)/babelscope study studies/emergence.yaml --out out/emergence --store out/emergence/store

test: $(VENV)/.dev ## Set up and run all tests
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

test-fast: $(VENV)/.dev ## Run the tests that take no more than seconds
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow and not browser and not soak' $(PYTEST_ARGS)

lint: $(VENV)/.dev ## Check style, the contract with buf, and that what is generated is current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/protos.py lint
	$(BIN)/python scripts/docs.py --check
	$(BIN)/python scripts/unasync.py --check
	$(call biome,ci --error-on-warnings)

style: $(VENV)/.dev ## Format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(call biome,check --write)

type: $(VENV)/.dev ## Check types, strictly
	$(BIN)/mypy

protos: $(VENV)/.dev ## Generate the stubs from protos/
	$(BIN)/python scripts/protos.py generate

protos-check: $(VENV)/.dev ## Fail where the stubs are not those of protos/
	$(BIN)/python scripts/protos.py check

clients: $(VENV)/.dev ## Generate the synchronous clients from the asynchronous ones
	$(BIN)/python scripts/unasync.py

bench: $(VENV)/.dev ## Measure speed, as ratios in one run
	$(BIN)/python -m benchmarks

soak: $(VENV)/.dev ## Run the mesh under load for SOAK_SECONDS (ten minutes by default), mutations, SOAK_KILLS kills, and all of XQuAD through all transforms
	$(BIN)/python -m pytest -m soak --timeout 3600 $(PYTEST_ARGS)
	BABELSCOPE_WHOLE=1 $(BIN)/python -m pytest $(PARALLEL) $(shell grep -rlE 'support.whole import' tests --include='test_*.py')

studies: $(VENV)/.dev ## Run the studies of the papers
	$(BIN)/babelscope study studies/pud-similarity.yaml --out out/pud-similarity

docs: $(VENV)/.dev ## Generate the reference pages
	$(BIN)/python scripts/docs.py

lock: ## Pin the newest versions that pyproject.toml allows
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet 'torch==2.13.0' '.[dev,demo,ray-cluster]'
	build/lock/bin/python scripts/lock.py > requirements.lock

clean: ## Remove what the targets made
	rm -rf $(VENV) scripts/biome/node_modules build out .pytest_cache .mypy_cache .ruff_cache
