# Two commands do everything on a fresh Debian or Ubuntu machine: `make demo` and `make test`.
VENV   := .venv
PYTHON := $(VENV)/bin/python
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT    := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get
# PyTorch's own index has CPU wheels; PyPI's would bring gigabytes of CUDA. A site's own index or wheels come first.
TORCH  = $$($(PYTHON) -m pip config list | grep -E 'index-url|find-links' >/dev/null \
	|| echo --extra-index-url https://download.pytorch.org/whl/cpu)

.PHONY: demo test lint bench clean

demo: $(VENV)/.demo
	@echo "== demo: starts the service, sends studies to its C-STORE port, prints the results (about 20 seconds) =="
	$(VENV)/bin/triage demo

test: $(VENV)/.test
	@echo "== test: ruff, mypy and the tests with DCMTK, dciodvfy and Chromium (about 8 minutes on two cores) =="
	$(MAKE) --no-print-directory lint
	$(PYTHON) -m pytest -q

lint: $(VENV)/.test
	$(VENV)/bin/ruff check triage training tests benchmarks
	$(VENV)/bin/ruff format --check -q triage training tests benchmarks
	$(VENV)/bin/mypy

bench: $(VENV)/.test
	@echo "== bench: ratios to named peers, and what the calibration promises (about 40 minutes; each file runs alone too) =="
	for file in benchmarks/[a-z]*.py; do $(PYTHON) $$file || exit 1; done

$(VENV)/bin/python:
	@echo "== making the Python environment in $(VENV) =="
	@command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null \
		|| { $(APT) update -q && $(APT) install -y -q python3 python3-venv; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; this is $$(python3 --version)"; exit 1; }
	python3 -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "== installing the service (about 1 minute, 250 MB) and DCMTK, which plays the PACS =="
	$(PYTHON) -m pip install -q -c constraints.txt -e '.[cpu]'
	@command -v storescu >/dev/null && command -v storescp >/dev/null \
		|| { $(APT) update -q && $(APT) install -y -q dcmtk; }
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo "== installing what the tests need (about 2 minutes, 1 GB): PyTorch, dicom3tools, Orthanc, Chromium, PostgreSQL =="
	$(PYTHON) -m pip install -q -c constraints.txt $(TORCH) -e '.[cpu,training,postgres,dev]'
	@command -v dciodvfy >/dev/null && command -v chromium >/dev/null && command -v curl >/dev/null \
		&& command -v openssl >/dev/null && command -v Orthanc >/dev/null \
		&& ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
		|| { $(APT) update -q && $(APT) install -y -q dcmtk dicom3tools chromium curl openssl postgresql orthanc orthanc-dicomweb; }
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
