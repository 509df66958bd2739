# make demo runs the whole road once, make test proves it, make check most of it in a minute. All of them set up
# everything first; a second run finds it done.
.DELETE_ON_ERROR:
.PHONY: help demo test check lint format tidy bench setup clean FORCE

VENV := .venv
BIN := $(VENV)/bin
NATIVE_SOURCES = $(shell find runtime/libdsf tests/libdsf tools/fuzz examples -name '*.cpp' -o -name '*.h' -o -name '*.inl' -o -name '*.c')
# What make check runs: every operator on every backend against ONNX Runtime, exports, commands, files.
QUICK := tests/ops tests/compile tests/passes tests/dsruntime tests/cli tests/load/test_load.py tests/load/test_lengths.py \
	tests/test_import_circles.py --ignore tests/compile/test_write_faults.py
NATIVE := $(shell find runtime -name CMakeLists.txt -o -path '*/libdsf/*' -type f)

help:
	@echo "make demo    train digits, export, predict, verify, inspect (sets up everything)"
	@echo "make test    lint and the full test suite (sets up everything)"
	@echo "make check   lint and the quickest tests that say much, in a minute or so"
	@echo "make lint    ruff, clang-format and mypy"
	@echo "make format  lay Python, C and C++ out as make lint wants them"
	@echo "make tidy    clang-tidy on libdsf"
	@echo "make bench   the project's figures, measured on this machine"
	@echo "make setup   .venv with the project installed for development"
	@echo "make clean   remove what make made, .venv included"

demo: setup
	$(BIN)/python -m dscompress.demo demo

test: setup lint
	$(BIN)/python -m pytest -q -n 2

check: setup lint
	$(BIN)/python -m pytest -q -n 2 -m 'not slow' $(QUICK)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(NATIVE_SOURCES)
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(NATIVE_SOURCES)

# One option of g++ is none of clang's. Apart from make test: it takes some minutes.
tidy: setup
	cmake -S runtime -B build/tidy -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DDSF_HAS_NO_GNU_UNIQUE=OFF >build/tidy.log
	$(BIN)/run-clang-tidy.py -quiet -hide-progress -clang-tidy-binary $(BIN)/clang-tidy -p build/tidy libdsf/src

bench: setup
	$(BIN)/python tools/bench/spine.py

setup: $(VENV)/installed.stamp

$(VENV)/venv.stamp: tools/find_python.sh tools/system_packages.sh
	python=$$(tools/find_python.sh) && tools/system_packages.sh $$python && $$python -m venv $(VENV)
	touch $@

# torch first and by its exact version: an open requirement may choose a build of several gigabytes.
# Modules are compiled when they are first imported: most of the 11,000 never are.
$(VENV)/torch.stamp: $(VENV)/venv.stamp constraints.txt
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt torch torchvision scikit-build-core ninja hatchling editables
	touch $@

# The editable install of dsruntime remembers where each module was: after one moved, it must be made again.
$(VENV)/modules.list: $(VENV)/venv.stamp FORCE
	@find runtime/dsruntime -name '*.py' | sort > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
FORCE:

# dscompress goes first: it once held dsruntime's files, and uninstalled last would take the new ones along.
$(VENV)/installed.stamp: $(VENV)/torch.stamp $(VENV)/modules.list pyproject.toml runtime/pyproject.toml $(NATIVE)
	$(BIN)/python -m pip uninstall -qq -y dscompress
	$(BIN)/python -m pip install -q --no-compile --no-build-isolation -c constraints.txt \
		-e ./runtime -e '.[compiler,demo,train,dev]'
	touch $@

clean:
	rm -rf $(VENV) build runtime/build demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
