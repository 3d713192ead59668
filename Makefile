# SPDX-License-Identifier: MPL-2.0
# Everything a person does with gst-duplex. Each target first installs what it lacks (.ci/setup).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Variables of the command line.
QUIET   ?=
MIC     ?=
DEMO    ?=
TLS     ?=
PORT    ?=
VOICE   ?=
PREFIX  ?=
DESTDIR ?=
PROFILE ?= release
TESTS   ?=
# 1 builds whisperasr, too, which takes whisper.cpp; cuda builds it for NVIDIA's cards.
WHISPER ?=
# A model for it: what `run` hears with, and what its tests have words of.
WHISPER_MODEL ?=

CARGO  ?= cargo
# gst-plugin-webrtc: a build of its own into the same folder, for the reason that its Cargo.toml gives.
WEBRTC  = --manifest-path plugins/webrtc/Cargo.toml --target-dir "$(TARGET)" -p gst-plugin-webrtc
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# A registry of our own: the caches of other GStreamers stay as they are, and a test run starts
# from what this tree has built.
GSTENV  = GST_PLUGIN_PATH="$(TARGET)/debug$${GST_PLUGIN_PATH:+:$$GST_PLUGIN_PATH}" GST_REGISTRY="$(TARGET)/registry.bin"

# whisperasr is a workspace of its own (its Cargo.toml says why) in the same target folder.
WHISPER_IN       = --manifest-path plugins/asr/whisper/Cargo.toml --target-dir "$(TARGET)"
WHISPER_FEATURES = $(if $(filter cuda,$(WHISPER)),--features cuda)
HAS_WHISPER      = { command -v cmake && command -v c++ && { [ -n "$${LIBCLANG_PATH:-}" ] \
    || compgen -G '/usr/lib*/llvm*/lib/libclang*.so*' || compgen -G '/usr/lib/*/libclang*.so*' \
    || compgen -G '/usr/lib*/libclang*.so*'; }; } >/dev/null

# The half of cudattsynth that links CUDA is one, too. Without the feature `cuda` it computes on the CPU, for its tests.
NEURAL_CUDA_MANIFEST = plugins/cudatts/cuda/Cargo.toml
NEURAL_CUDA          = --manifest-path $(NEURAL_CUDA_MANIFEST) --target-dir "$(TARGET)"
# What `make cuda` makes: named by the version of its interface. What ends with .so beside plugins GStreamer would load, too, to
# see whether it is one, and complain wherever there is no CUDA.
NEURAL_CUDA_MADE     = $(TARGET)/cuda/libduplex_neural_cuda.so.2

# A sound server, or a card that nobody serves.
# (root may write to whatever is there; others only where they are in the group audio.)
SND      ?= /dev/snd
HAS_SOUND = { [ -n "$${PULSE_SERVER:-}" ] || [ -S "$${XDG_RUNTIME_DIR:-/run/user/$$(id -u)}/pulse/native" ] \
    || [ -n "$$(find "$(SND)" -name 'pcm*p' -writable 2>/dev/null)" ]; }

.PHONY: help run test lint bench parity listen install build setup-run setup-test
# Cargo uses every processor by itself, and installing packages, building and running follow each other.
.NOTPARALLEL:

help: ## this page
	@echo 'make TARGET [VARIABLE=value]'
	echo
	sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12
	echo
	echo '  run:      TLS=1 for browsers on other machines · PORT=8080 · VOICE=en-gb, or VOICE=compact, a neural one'
	echo '            DEMO=1 with recorded callers · QUIET=1 without sound · MIC=1 with your microphone and speakers'
	echo '  test:     TESTS="-p gst-plugin-duplexvad" for a part of them · WHISPER_MODEL=ggml-base.bin for words of whisperasr'
	echo '  install:  PREFIX=/usr for everybody, otherwise for you alone · PROFILE=dev · DESTDIR='
	echo '  each:     WHISPER=1 for whisperasr, too (WHISPER=cuda on an NVIDIA card); run hears with it: WHISPER_MODEL=ggml-base.bin'

setup-run:
	@.ci/setup build run $(if $(WHISPER),whisper)

setup-test:
	@.ci/setup build run test $(if $(WHISPER),whisper)

# One build for `run` and `test` alike: same packages, same features, same profile.
build:
	@echo 'building (the first time takes some minutes) …'
	$(CARGO) build --workspace
	$(CARGO) build $(WEBRTC)
	$(if $(WHISPER),$(CARGO) build --lib $(WHISPER_IN) $(WHISPER_FEATURES))

# `compact` is the voice of the small neural model; all others are eSpeak NG's.
SPEAKER = $(if $(filter compact,$(VOICE)),cudattsynth,espeaktts)
SERVING = duplex-worker$(if $(filter compact,$(VOICE)),-neural)

# A worker on a free port, for as long as the recipe takes: `worker_address` is where.
define WORKER
coproc worker { exec "$(TARGET)/debug/$(SERVING)" --listen 127.0.0.1:0 2>out/worker.log; }
trap 'kill $$worker_PID 2>/dev/null || true' EXIT
IFS= read -r -t 20 listening <&"$${worker[0]}" ||
    { echo 'the worker does not start:'; cat out/worker.log; exit 1; } >&2
worker_address="grpc://$${listening##* }"
endef

# Nobody is to wait for a build to hear that a model is missing.
.PHONY: can-hear
can-hear:
	@[ -n "$(WHISPER)" ] && [ -z "$(DEMO)$(MIC)$(QUIET)" ] || exit 0
	if [ -z "$(WHISPER_MODEL)" ]; then
	    echo 'WHISPER=$(WHISPER) hears with a model, and none is named: make run WHISPER=$(WHISPER) WHISPER_MODEL=ggml-base.bin (from https://huggingface.co/ggerganov/whisper.cpp)' >&2
	    exit 1
	fi
	if [ ! -f "$(WHISPER_MODEL)" ]; then
	    echo 'there is no file $(WHISPER_MODEL): WHISPER_MODEL is the file of a model in the format of whisper.cpp' >&2
	    exit 1
	fi

# A description with whisperasr in the place of its recogniser, in out/.
.PHONY: heard-by-whisper
heard-by-whisper:
	@mkdir -p out
	sed -e '/^  grammar: /d' -e 's|^  asr: .*|  asr: { factory: whisperasr, model: "$(abspath $(WHISPER_MODEL))" }|' \
	    "$(DESCRIPTION)" >"out/$(notdir $(DESCRIPTION))"

run: can-hear setup-run build ## talk to it: starts a worker and a server, and prints the page to open (DEMO=1: listen to others)
	@mkdir -p out
	if [ -n "$(DEMO)$(MIC)$(QUIET)" ]; then
	    $(MAKE) demo
	    exit
	fi
	$(WORKER)
	description=pipelines/conversation.yaml
	if [ -n "$${OPENAI_API_KEY:-}$${OPENAI_BASE_URL:-}" ]; then
	    echo "OPENAI_API_KEY or OPENAI_BASE_URL is set: a model answers ($${OPENAI_MODEL:-gpt-4o-mini} at $${OPENAI_BASE_URL:-api.openai.com})"
	    description=pipelines/assistant.yaml
	fi
	if [ -n "$(WHISPER)" ]; then
	    $(MAKE) heard-by-whisper DESCRIPTION="$$description"
	    description="out/$${description##*/}"
	    echo "whisperasr hears, with $(WHISPER_MODEL): $$description"
	fi
	# From other machines a browser gives its microphone to https alone.
	listen=($(if $(TLS),--tls self-signed --listen 0.0.0.0:$(or $(PORT),8443),--listen 127.0.0.1:$(or $(PORT),8080)))
	echo "a worker speaks at $$worker_address; open the page and talk (Ctrl-C ends it):"
	$(GSTENV) "$(TARGET)/debug/duplex" serve "$$description" "$${listen[@]}" \
	    "synthesizer=grpctts uri=$$worker_address" $(if $(VOICE),voice=$(VOICE))

# What `make run DEMO=1` shows: a long text is read, a caller speaks up, the mouth stops; once in one process, once with
# the voice of a worker; then a conversation.
.PHONY: demo
demo:
	@mkdir -p out
	if [ -n "$(MIC)" ]; then
	    caller=()
	else
	    $(GSTENV) "$(TARGET)/debug/caller-recording" --wav out/caller.wav --labels out/caller.json
	    caller=(--caller out/caller.wav --labels out/caller.json)
	fi
	quiet=($(if $(QUIET),--quiet))
	# A machine without a sound device shows and draws what others hear.
	if [ -z "$(QUIET)$(MIC)" ] && ! $(HAS_SOUND); then
	    echo 'no sound device here: nothing is heard, out/heard.wav has it (QUIET=1 does the same elsewhere)'
	    quiet=(--quiet)
	fi
	common=("$${caller[@]}" "$${quiet[@]}" $(if $(VOICE),voice=$(VOICE)))
	$(GSTENV) "$(TARGET)/debug/duplex" run pipelines/barge-in.yaml "$${common[@]}" synthesizer=$(SPEAKER) \
	    --heard out/heard.wav --timeline=out/timeline.txt --html out/barge-in.html
	[ -z "$(MIC)" ] || exit 0
	if [ -z "$(VOICE)" ]; then
	    echo
	    echo 'the same with the small neural voice'
	    $(GSTENV) "$(TARGET)/debug/duplex" run pipelines/barge-in.yaml "$${common[@]}" synthesizer=cudattsynth voice=compact \
	        --heard out/compact.wav --timeline=out/compact.txt --html out/compact.html
	fi
	$(WORKER)
	echo
	echo "the same with the voice of a worker: $(SERVING), $$listening"
	$(GSTENV) "$(TARGET)/debug/duplex" run pipelines/offload.yaml "$${common[@]}" "worker=$$worker_address" \
	    --heard out/offload.wav --timeline=out/offload.txt --html out/offload.html
	echo
	echo 'a conversation: a caller asks for a story, interrupts it, and lets it go on'
	$(GSTENV) "$(TARGET)/debug/caller-recording" --script pipelines/conversation-caller.txt \
	    --wav out/conversation-caller.wav --labels out/conversation-caller.json
	$(GSTENV) "$(TARGET)/debug/duplex" run pipelines/conversation.yaml "$${quiet[@]}" synthesizer=$(SPEAKER) \
	    $(if $(VOICE),voice=$(VOICE)) --duration 32s \
	    --caller out/conversation-caller.wav --labels out/conversation-caller.json \
	    --heard out/conversation.wav --timeline=out/conversation.txt --html out/conversation.html

test: setup-test ## build, lint and every test; prints the time and memory they took
	@start=$$SECONDS
	$(MAKE) build
	$(MAKE) lint-only
	# Debian's own plugins may complain while they are scanned; nobody may once tests run.
	$(GSTENV) gst-inspect-1.0 ttssink >/dev/null 2>&1 || true
	$(CARGO) test --workspace $(TESTS) --no-run
	whisper=
	if [ -z "$(TESTS)" ] || [ -n "$(WHISPER)" ]; then
	    if [ -n "$(WHISPER)" ] || $(HAS_WHISPER); then
	        whisper=yes
	        $(CARGO) test $(WHISPER_IN) $(WHISPER_FEATURES) --no-run
	    fi
	fi
	if [ -z "$(TESTS)" ]; then
	    $(CARGO) test $(NEURAL_CUDA) --no-run
	    # Its licences are looked at with CUDA.
	    $(CARGO) fetch --manifest-path $(NEURAL_CUDA_MANIFEST) --target x86_64-unknown-linux-gnu
	fi
	built=$$((SECONDS - start))
	$(GSTENV) G_DEBUG=fatal_criticals RUST_BACKTRACE=1 RUST_TEST_THREADS="$${RUST_TEST_THREADS:-2}" \
	    "$(TARGET)/debug/measured" --limit-mb 1024 -- $(CARGO) test --workspace --no-fail-fast $(TESTS)
	if [ -z "$(TESTS)" ]; then
	    RUST_BACKTRACE=1 $(CARGO) test $(NEURAL_CUDA) --no-fail-fast
	fi
	if [ -n "$$whisper" ]; then
	    $(GSTENV) G_DEBUG=fatal_criticals RUST_BACKTRACE=1 WHISPER_MODEL="$(abspath $(WHISPER_MODEL))" \
	        $(CARGO) test $(WHISPER_IN) $(WHISPER_FEATURES) --no-fail-fast
	    [ -n "$(WHISPER_MODEL)" ] ||
	        echo 'SKIPPED: WORDS OF whisperasr ARE NOT TESTED without a real model: make test WHISPER_MODEL=ggml-base.bin'
	elif [ -z "$(TESTS)" ]; then
	    echo 'SKIPPED: whisperasr IS NOT TESTED without cmake, a C++ compiler and libclang: make test WHISPER=1 installs them'
	fi
	echo "build and lint: $$built s, all together: $$((SECONDS - start)) s"

lint: setup-test lint-only ## formatting, clippy, licences

.PHONY: lint-only
lint-only:
	@$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) fmt --manifest-path plugins/asr/whisper/Cargo.toml --check
	$(CARGO) fmt --manifest-path $(NEURAL_CUDA_MANIFEST) --check
	$(CARGO) clippy $(NEURAL_CUDA) --all-targets -- -D warnings
	if [ -n "$(WHISPER)" ] || $(HAS_WHISPER); then
	    $(CARGO) clippy $(WHISPER_IN) $(WHISPER_FEATURES) --all-targets -- -D warnings
	else
	    echo 'NOT CHECKED: whisperasr (make lint WHISPER=1)'
	fi
	if command -v cargo-deny >/dev/null; then
	    $(CARGO) deny --log-level error check
	    $(CARGO) deny --manifest-path plugins/asr/whisper/Cargo.toml --log-level error check --config "$(CURDIR)/deny.toml"
	    $(CARGO) deny --manifest-path $(NEURAL_CUDA_MANIFEST) --log-level error check --config "$(CURDIR)/deny.toml"
	else
	    echo 'NOT CHECKED: licences and bans of dependencies (cargo install cargo-deny)'
	fi

# The PyTorch reference of the neural voices: only where somebody compares, never in `make test`.
TORCH  = $(TARGET)/torch
PARITY = $(TARGET)/parity
SCRIPT = plugins/cudatts/engine/tests/parity/reference.py
# One of each shape among the published configurations; MODELS="english french_24l" for others.
MODELS ?=

.PHONY: torch
torch:
	@python="$(TORCH)/bin/python"
	if ! "$$python" -c 'import torch, pocket_tts' 2>/dev/null; then
	    echo 'installing PyTorch and pocket-tts (pip) …'
	    python3 -m venv "$(TORCH)" && "$$python" -m pip install --quiet torch==2.15.0 pocket-tts==4.0.1 tokenizers==0.23.3
	fi

# A model in the published shapes with weights that a formula makes, and what the reference says with it.
$(TARGET)/parity/%:
	@mkdir -p "$(PARITY)"
	rm -rf "$(PARITY)/.new"
	"$(TORCH)/bin/python" $(SCRIPT) published $* "$(PARITY)/.new"
	mv "$(PARITY)/.new/$*" "$@"

parity: setup-test ## the neural engine against its PyTorch reference, in all published shapes (installs PyTorch; MODELS="english dutch_24l")
	@.ci/setup bench
	$(MAKE) torch
	models="$(MODELS)"
	[ -n "$$models" ] || models=$$("$(TORCH)/bin/python" $(SCRIPT) shapes)
	mkdir -p out
	# One at a time: a model takes up to a gigabyte.
	for model in $$models; do
	    kept=; [ ! -e "$(PARITY)/$$model" ] || kept=1
	    $(MAKE) "$(PARITY)/$$model"
	    DUPLEX_PARITY="$(PARITY)/$$model" $(CARGO) test --quiet -p duplex-neural --test parity -- --nocapture
	    # What a card computes, on the CPU.
	    DUPLEX_PARITY="$(PARITY)/$$model" $(CARGO) test --quiet $(NEURAL_CUDA) --test parity latents -- --nocapture
	    [ -n "$$kept" ] || [ "$$model" = english ] || rm -rf "$(PARITY)/$$model"
	done | tee out/parity.txt
	echo 'these figures are in out/parity.txt'

# Who has weights listens with a recogniser.
VOICES ?=

MODEL ?= compact
listen: setup-test build ## MODEL=english VOICES="alba marius": ten sentences of a neural voice, recognised: words heard wrong, share of real time
	$(CARGO) build -p duplex-tests --bin listen
	$(GSTENV) "$(TARGET)/debug/listen" "cudattsynth model=\"$(MODEL)\"" $(VOICES:%=--voice %) --keep out/listen
	echo 'the recordings are in out/listen'

# The small voice that cudattsynth comes with, from nothing: a voice of the distribution teaches it.
COMPACT = plugins/cudatts/compact
# Of training; a card may take a thousand (DEVICE=cuda).
MINUTES ?= 90
DEVICE  ?= cpu

.PHONY: voice
voice: ## makes the small voice anew (PyTorch, flite; two hours): data, training, weights, how well it is understood
	@.ci/setup voice
	python="$(TARGET)/voice/venv/bin/python"
	if ! "$$python" -c 'import safetensors, scipy, torch' 2>/dev/null; then
	    echo 'installing PyTorch (pip) …'
	    python3 -m venv "$(TARGET)/voice/venv" && "$$python" -m pip install --quiet -r $(COMPACT)/training/requirements.txt
	fi
	"$$python" -B $(COMPACT)/training/voice.py "$(TARGET)/voice/made" --to $(COMPACT)/voice --minutes $(MINUTES) --device $(DEVICE)

bench: setup-test ## the tables of the README, with this machine's facts; they are kept in out/bench.txt
	@.ci/setup bench
	mkdir -p out
	{
	    $(CARGO) bench -p duplex-tests --bench mouth
	    $(CARGO) bench -p duplex-tests --bench worker
	    $(CARGO) bench -p duplex-tests --bench serve
	    # PyTorch, to compare with: in a folder of its own, once.
	    if $(MAKE) torch && $(MAKE) "$(PARITY)/$(or $(MODELS),english)"; then
	        $(CARGO) bench -p duplex-tests --bench neural -- --python "$(TORCH)/bin/python" --model "$(PARITY)/$(or $(MODELS),english)"
	    else
	        echo 'NOT INSTALLED: torch and pocket-tts (pip); the rows of the neural engine will be missing'
	    fi
	    # ONNX Runtime, to compare with: in a folder of its own, once.
	    python="$(TARGET)/onnxruntime/bin/python"
	    if ! "$$python" -c 'import numpy, onnxruntime' 2>/dev/null; then
	        python3 -m venv "$(TARGET)/onnxruntime" && "$$python" -m pip install --quiet numpy onnxruntime \
	            || echo 'NOT INSTALLED: numpy and onnxruntime (pip); the row of ONNX Runtime will be missing'
	    fi
	    PYTHON="$$python" $(CARGO) bench -p gst-plugin-duplexvad
	} | tee out/bench.txt
	echo 'these figures are in out/bench.txt'

# Loaded by cudattsynth and the neural worker where there is a card; needs none to be built.
.PHONY: cuda gpu-check
cuda: ## the half of cudattsynth that runs on NVIDIA's cards (fetches their compiler, once; takes 20 minutes)
	@.ci/setup build cuda
	.ci/cuda "$(TARGET)/cuda"
	source "$(TARGET)/cuda/environment"
	$(CARGO) build --release --lib --features cuda $(NEURAL_CUDA)
	strip -o "$(NEURAL_CUDA_MADE)" "$(TARGET)/release/libduplex_neural_cuda.so"
	readelf -d "$(NEURAL_CUDA_MADE)" | grep -q 'NEEDED.*libcuda\.so\.1' || { echo 'it does not ask for the driver' >&2; exit 1; }
	mkdir -p "$(TARGET)/debug"
	cp "$(NEURAL_CUDA_MADE)" "$(TARGET)/release"
	cp "$(NEURAL_CUDA_MADE)" "$(TARGET)/debug"
	echo "$(NEURAL_CUDA_MADE): $$(du -h "$(NEURAL_CUDA_MADE)" | cut -f1), and beside the plugins in $(TARGET)/debug and $(TARGET)/release"

# To be carried: there is neither a compiler nor a network where cards are.
GPU_CHECK = out/gpu-check
gpu-check: cuda ## parity and speed on an NVIDIA card; elsewhere packs out/gpu-check.tar.gz, to be carried to one (MODEL=FOLDER)
	@source "$(TARGET)/cuda/environment"
	$(CARGO) build --release --example gpu-check --features cuda $(NEURAL_CUDA)
	rm -rf "$(GPU_CHECK)"
	mkdir -p "$(GPU_CHECK)/small" "$(GPU_CHECK)/english" "$(GPU_CHECK)/compact"
	strip -o "$(GPU_CHECK)/gpu-check" "$(TARGET)/release/examples/gpu-check"
	cp "$(NEURAL_CUDA_MADE)" plugins/cudatts/cuda/examples/gpu-check/run "$(GPU_CHECK)"
	cp -r plugins/cudatts/engine/tests/parity/small/. "$(GPU_CHECK)/small"
	cp plugins/cudatts/cuda/examples/gpu-check/english/* "$(GPU_CHECK)/english"
	cp plugins/cudatts/compact/voice/*.safetensors "$(GPU_CHECK)/compact"
	tar -C out -czf out/gpu-check.tar.gz gpu-check
	echo "out/gpu-check.tar.gz ($$(du -h out/gpu-check.tar.gz | cut -f1)): unpack it where a card is and start gpu-check/run"
	"$(GPU_CHECK)/run" $(if $(MODEL),"$(abspath $(MODEL))")

# Where things go: your own folders, or those of PREFIX as this system's GStreamer has them below its own prefix.
define FOLDERS
built="$(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))"
data="$${XDG_DATA_HOME:-$$HOME/.local/share}"
if [ -n "$(PREFIX)" ]; then
    below=$$(pkg-config --variable=pluginsdir gstreamer-1.0 2>/dev/null || true)
    own=$$(pkg-config --variable=prefix gstreamer-1.0 2>/dev/null || true)
    below="$${below#"$$own"/}"
    plugins="$(PREFIX)/$${below:-lib/gstreamer-1.0}"
    bin="$(PREFIX)/bin"
    share="$(PREFIX)/share"
else
    plugins="$$data/gstreamer-1.0/plugins"
    bin="$$HOME/.local/bin"
    share="$$data"
fi
endef

# The build takes minutes: what would fail after it fails before it.
.PHONY: can-install
can-install:
	@$(FOLDERS)
	for folder in "$(DESTDIR)$$plugins" "$(DESTDIR)$$bin" "$(DESTDIR)$$share"; do
	    until [ -e "$$folder" ]; do folder=$$(dirname "$$folder"); done
	    if [ ! -w "$$folder" ]; then
	        echo "$$folder cannot be written by $$(id -un). Type this, then try it:" >&2
	        echo >&2
	        echo "    make build-install PROFILE=$(PROFILE)$(if $(WHISPER), WHISPER=$(WHISPER)) && sudo make install-files PROFILE=$(PROFILE)$(if $(WHISPER), WHISPER=$(WHISPER)) PREFIX=$(PREFIX)$(if $(DESTDIR), DESTDIR=$(DESTDIR))" >&2
	        echo >&2
	        exit 1
	    fi
	done

.PHONY: build-install
build-install: setup-run
	@$(CARGO) build --workspace --profile "$(PROFILE)"
	$(CARGO) build $(WEBRTC) --profile "$(PROFILE)"
	$(if $(WHISPER),$(CARGO) build --lib $(WHISPER_IN) $(WHISPER_FEATURES) --profile "$(PROFILE)")

# Needs no cargo, so that root need not have one.
.PHONY: install-files
install-files:
	@$(FOLDERS)
	install -d "$(DESTDIR)$$plugins" "$(DESTDIR)$$bin" "$(DESTDIR)$$share/gst-duplex/pipelines" "$(DESTDIR)$$share/gst-duplex/configs" "$(DESTDIR)$$share/doc/gst-duplex"
	for plugin in "$$built"/libgst*.so; do
	    # Tests build it where nobody has asked for it.
	    [ -n "$(WHISPER)" ] || [ "$${plugin##*/}" != libgstduplexwhisper.so ] || continue
	    install -m 644 "$$plugin" "$(DESTDIR)$$plugins"
	done
	# Only where `make cuda` has made it.
	[ ! -f "$(NEURAL_CUDA_MADE)" ] || install -m 644 "$(NEURAL_CUDA_MADE)" "$(DESTDIR)$$plugins"
	install -m 755 "$$built/duplex" "$$built/duplex-worker" "$$built/duplex-worker-neural" "$(DESTDIR)$$bin"
	install -m 644 pipelines/*.yaml pipelines/*.txt pipelines/*.gram pipelines/schema.json "$(DESTDIR)$$share/gst-duplex/pipelines"
	install -m 644 configs/* "$(DESTDIR)$$share/gst-duplex/configs"
	install -m 644 LICENSE-* "$(DESTDIR)$$share/doc/gst-duplex"
	echo "plugins in $$plugins, duplex and its workers in $$bin, pipelines and configs in $$share/gst-duplex"
	if [ -n "$(PREFIX)" ] && [ "$$plugins" != "$$(pkg-config --variable=pluginsdir gstreamer-1.0 2>/dev/null || true)" ]; then
	    echo 'GStreamer does not look there by itself. Put this line into ~/.profile, and type it now:'
	    echo "    export GST_PLUGIN_PATH=\"$$plugins\$${GST_PLUGIN_PATH:+:\$$GST_PLUGIN_PATH}\""
	fi
	if [[ ":$$PATH:" != *":$$bin:"* ]]; then
	    echo 'Your shell does not look there for duplex. Put this line into ~/.profile, and type it now:'
	    echo "    export PATH=\"$$bin:\$$PATH\""
	fi
	echo 'try: gst-inspect-1.0 ttssink'

install: can-install build-install install-files ## plugins, duplex, its workers, pipelines and configs, for you or PREFIX
