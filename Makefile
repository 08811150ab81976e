# Each target makes .venv by itself. PYTHON names the interpreter (3.11 or newer), JOBS how many cores to use, GPUS how many
# jobs that train at once where there are any; elsewhere cores alone count.
PYTHON ?= python3
JOBS ?= all
GPUS ?= $(shell nvidia-smi -L 2>/dev/null | grep -c GPU)
BIN := .venv/bin
READY := .venv/ready
RUNS := $(or $(SERCORE_RUNS),$(CURDIR)/runs)
export PYTHONUTF8 := 1
# numba, matplotlib and Jupyter keep files in a home folder; one that is read-only has a stand-in.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export HOME := $(RUNS)/home$(shell mkdir -p "$(RUNS)/home")
endif
SNAKEMAKE = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --snakefile workflow/Snakefile --cores $(JOBS) --quiet host reason rules --rerun-incomplete --keep-going --nolock $(if $(filter-out 0,$(GPUS)),--resources gpu=$(GPUS))

# Kernels that have imported already, for pages that only read what is recorded: most of their time goes into imports.
ifeq ($(shell uname),Linux)
WARM = export SERCORE_KERNELS=sercore-$$$$ JUPYTER_PATH="$(CURDIR)/workflow" OMP_NUM_THREADS=1; \
	$(BIN)/python workflow/warm_kernel.py serve "$$SERCORE_KERNELS" > /dev/null & kernels=$$!;
else
WARM = export JUPYTER_PATH="$(CURDIR)/workflow" OMP_NUM_THREADS=1; kernels=;
endif

.PHONY: book demo open small paper test faults lint notebooks kaggle jupyter results benchmark ship clean

demo: PROFILE = demo
book open: PROFILE = open
book: KERNELS = $(WARM)
paper: PROFILE = paper
small: PROFILE = small
# Trained here, not read from results/, as the book is.
demo open small paper results benchmark ship: export SERCORE_RECORDED = no
small: TARGET = measured  # its pages, without a book: the numbers stand beside those of open
# Beside Snakemake's own lines, one for each epoch of whatever trains.
book demo open small paper: $(READY)
	@mkdir -p "$(RUNS)/$(PROFILE)" && touch "$(RUNS)/$(PROFILE)/progress.log"
	@$(KERNELS) tail -n 0 -f "$(RUNS)/$(PROFILE)/progress.log" & progress=$$!; \
	$(SNAKEMAKE) $(TARGET) --config profile=$(PROFILE); status=$$?; kill $$progress $$kernels; exit $$status
	@[ -n "$(TARGET)" ] || echo "The book: $(RUNS)/$(PROFILE)/book/_build/html/index.html"

# Style; the way from audio files to a book, on synthetic speech; the book, as those build it who have no corpus; the tests;
# the notebooks cell by cell.
test: lint
	$(MAKE) demo
	env -u SERCORE_CREMAD -u SERCORE_RAVDESS $(MAKE) book
	$(BIN)/python -m pytest -n 2 --dist loadfile
# A kernel whose port a neighbour got in between fails all cells of its page. Then, and then alone, what failed is run again.
	@$(WARM) cells="$(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-kernel-name warm"; \
	$$cells notebooks --junitxml="$(RUNS)/cells.xml" || \
	{ grep -q "Kernel died before replying" "$(RUNS)/cells.xml" && $$cells --last-failed notebooks; }; \
	status=$$?; kill $$kernels; exit $$status

# What is cut, damaged, full, killed or hostile: what was injected, how often, and how often it was lost.
faults: $(READY)
	$(BIN)/python -m pytest -q -m fault

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# What is written from other files: folds 2 to 5, the setup cell, the .ipynb beside each .py.
notebooks: $(READY)
	$(BIN)/python workflow/notebooks.py

# Folders for Kaggle in runs/kaggle: the package as a dataset, and a kernel for each page. OWNER=account, and, where they are
# wanted, PROFILE=, IEMOCAP=owner/dataset (for PROFILE=paper), WHEELS=owner/notebook (for kernels without a network).
kaggle: $(READY)
	@$(BIN)/python workflow/kaggle.py "$(RUNS)/kaggle" --owner="$(OWNER)" --profile="$(or $(PROFILE),open)" \
		--iemocap="$(IEMOCAP)" --wheels="$(WHEELS)"

# The environment as the kernel "sercore" of any Jupyter of yours, and the notebooks in its own, which is not a requirement.
jupyter: $(READY)
	@$(BIN)/python -m ipykernel install --user --name sercore --display-name sercore
	@for way in lab notebook; do [ ! -x $(BIN)/jupyter-$$way ] || exec $(BIN)/jupyter-$$way notebooks; done; \
	echo "There is no Jupyter in .venv: $(BIN)/pip install jupyterlab, and make jupyter again; or choose the kernel sercore in yours."; exit 1

# The small numbers of the finished open runs, to be committed.
results: $(READY)
	$(BIN)/python workflow/record.py

# Size, speed, accuracy and compatibility of the quantized files, measured on the full geometry; needs node and npm.
benchmark: $(READY)
	for page in quantization_benchmark quantization_accuracy; do \
		PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/papermill notebooks/$$page.ipynb "$(RUNS)/$$page.ipynb" -p profile open || exit 1; \
	done
	$(BIN)/python workflow/compatibility.py results/open/compatibility.json \
		"full=$(RUNS)/open/geometry-distilhubert-scratch" \
		"base=$(RUNS)/open/cremad-production-disjoint/onnx" \
		"small=$(RUNS)/small/cremad-production-disjoint/onnx"
	$(MAKE) results

# The models that ship, and their cards, from the finished production runs.
ship: $(READY)
	$(BIN)/python workflow/ship.py base open
	$(BIN)/python workflow/ship.py small small --scheme w8a8-conv  # of both it loses less here, and as fast

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip check
# Compiled by one process: several at a time spoil numba's cache. In order: in the order of a set, which EAGER_IMPORT=1 takes,
# one time in eight librosa's modules import each other in a circle.
	$(BIN)/python -c 'import importlib, librosa, pkgutil; \
		[importlib.import_module(one.name) for one in pkgutil.walk_packages(librosa.__path__, "librosa.")]'
	touch $@

# What can be made again in minutes, and is ours: of the demo a folder with its log, of caches what bears a hash.
clean:
	rm -rf .venv .snakemake data/synthetic
	if [ -f "$(RUNS)/demo/progress.log" ]; then rm -rf "$(RUNS)/demo"; fi
	if [ -d "$(RUNS)/cache" ]; then find "$(RUNS)/cache" -maxdepth 1 -regex '.*-[0-9a-f]*\(\.npy\)?' -exec rm -rf {} +; fi
