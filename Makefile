# make demo   set up, and run the three scripts on the bundled clips
# make test   set up, and run the test suite       (make test-slow: the long sweeps, and the page in a browser)
# make lint   set up, and check style and types
# make docs   write the README's tables from the code
# make bench  time every stage and every peer that installs, and write docs/benchmarks.md (BENCH=--quick: a short run)
# make clean  remove the virtual environment and everything that a run made

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Relative, because pip splits the variable at blanks, which a folder's name may hold. pip < 25.3 passes the first one
# on to isolated builds, later ones read the second.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

INSTALL := $(BIN)/python -m pip install --quiet

define EXPLAIN_BUILD

Installing failed. If the lines above speak of building 'pesq': it is compiled during installation and needs a C
compiler and Python's headers.
  Debian, Ubuntu:  sudo apt-get install build-essential python3-dev
  Fedora:          sudo dnf install gcc python3-devel
  macOS:           xcode-select --install
  Windows:         Visual Studio Build Tools, "Desktop development with C++"
Then start the same command again.
endef
export EXPLAIN_BUILD

.PHONY: demo test test-slow lint docs bench clean

demo: $(VENV)/installed
	$(BIN)/python audio_conversion.py
	$(BIN)/python extract_embeddings.py
	$(BIN)/python analyze_results.py
	@echo "Open results/report.html in a browser, or read results/analysis_report.txt."

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

test-slow: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed
	$(BIN)/python docs/write_tables.py

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) .venv-tensorflow .peer-torchopenl3 benchmarks/results.json
	find test_audio openl3_embeddings vggish_embeddings results -mindepth 1 ! -name README.md -delete
	rm -rf logmel_embeddings cdpam_embeddings results_noise_study results_everything results_examples

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "percept needs Python 3.11 to 3.13, and '$(PYTHON)' is another; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/created requirements.txt constraints.txt
	@echo "Installing the requirements (about 1.5 GB, one to five minutes) ..."
	@$(INSTALL) -r requirements.txt || { echo "$$EXPLAIN_BUILD" >&2; exit 1; }
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt requirements-cluster.txt requirements-reference.txt
	@echo "Installing the test requirements ..."
	@$(INSTALL) -r requirements-dev.txt -r requirements-reference.txt || { echo "$$EXPLAIN_BUILD" >&2; exit 1; }
	@touch $@
