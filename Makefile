# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# `make help` lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build

CLANG ?= clang
PKG_CONFIG ?= pkg-config
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror
VERSION := $(shell cat VERSION)

# library (pkg-config name):Debian package
LIBRARIES := libbpf:libbpf-dev libxdp:libxdp-dev libevent:libevent-dev libcurl:libcurl4-openssl-dev \
	libssl:libssl-dev libfyaml:libfyaml-dev jansson:libjansson-dev libmnl:libmnl-dev smartcols:libsmartcols-dev
COMMANDS := $(firstword $(CC)):gcc $(CLANG):clang $(BPFTOOL):bpftool $(PKG_CONFIG):pkg-config

# `make V=1` shows the commands
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = @$(if $(Q),printf '  %-8s%s\n' $1 $(patsubst $(BUILD)/%,%,$@),:)

ALL_CFLAGS = -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' \
	-Iinclude -Iuser -I$(BUILD) -MMD -MP $(PKG_CFLAGS)
LIBRARY_NAMES = $(foreach l,$(LIBRARIES),$(firstword $(subst :, ,$l)))
# asked once, when first used: pkg-config may be missing before
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBRARY_NAMES)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBRARY_NAMES)))$(PKG_LIBS)

# -mcpu=v3: 32-bit subregisters and atomics, in every kernel from 5.12 on
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g $(WARNINGS) -Iinclude -Ibpf -MMD -MP \
	-isystem /usr/include/$(shell $(CC) -print-multiarch)

LIB_SOURCES := $(wildcard user/lib/*.c user/model/*.c user/in/*.c user/out/*.c user/probe/*.c)
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
PROGRAMS := $(BUILD)/sluiced $(BUILD)/sluice $(BUILD)/sluice-backend
SKELETONS := $(BUILD)/sluice.skel.h $(BUILD)/backend.skel.h $(BUILD)/dispatcher.skel.h $(BUILD)/probe.skel.h
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
PACKET_TESTS := $(patsubst tests/packet/%.c,$(BUILD)/tests/packet/%,$(wildcard tests/packet/test_*.c))
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/bench_*.c))
# a fuzzer is tests/fuzz/fuzz_NAME.c. NAME:inputs of a default run:longest input
FUZZERS := config:150000:8192 bpf:1000000:4096 control:8000:4096 probe:300000:8192 body:120000:1024 \
	dns:2000000:512 netlink:3000000:512 text:1500000:128 snapshot:40000:4096 ids:20000:2048 \
	prefixes:200000:512 events:60000:4096 backend:400000:2048
FUZZ_NAMES := $(foreach f,$(FUZZERS),$(firstword $(subst :, ,$f)))
FUZZ_REPLAYS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/fuzz_%)
NET_PROGRAMS := $(patsubst %,$(BUILD)/tests/net/%,echo talk flood) $(BUILD)/tests/tunnel.bpf.o
PACKET_HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/packet/test_%,$(wildcard tests/packet/*.c)))

.PHONY: all
all: need $(PROGRAMS) ## build sluiced, sluice and sluice-backend into build/

.PHONY: need
need:
	@for pair in $(COMMANDS); do \
		command -v "$${pair%%:*}" >/dev/null || \
		{ echo "make: $${pair%%:*} is missing: apt-get install $${pair##*:} (or run scripts/deps.sh)" >&2; exit 1; }; \
	done
	@for pair in $(LIBRARIES); do \
		$(PKG_CONFIG) --exists "$${pair%%:*}" || \
		{ echo "make: library $${pair%%:*} is missing: apt-get install $${pair##*:} (or run scripts/deps.sh)" >&2; exit 1; }; \
	done

$(BUILD)/%.bpf.o: bpf/%.bpf.c | need
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/tests/%.bpf.o: tests/bpf/%.bpf.c | need
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.new 2> $@.log && mv $@.new $@ || { cat $@.log >&2; exit 1; }

# which objects take a skeleton in, the compiler tells; the version is in all of them
$(BUILD)/user/%.o: user/%.c VERSION | $(SKELETONS) need
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/libsluice.a: $(LIB_OBJECTS)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

program = $(patsubst %.c,$(BUILD)/%.o,$(wildcard user/$1/*.c))

$(BUILD)/sluiced: $(call program,agent) $(BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/sluice: $(call program,cli) $(BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/sluice-backend: $(call program,backend) $(BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libsluice.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Itests $< $(filter %.o,$^) $(BUILD)/libsluice.a $(PKG_LIBS) -lcmocka -lm -o $@

# of the programs themselves
$(BUILD)/tests/unit/test_notify: $(BUILD)/user/agent/notify.o
$(BUILD)/tests/unit/test_backend_state: $(patsubst %,$(BUILD)/user/backend/%.o,state state_file prefixes)

# runs the real thing at the other end
$(BUILD)/tests/unit/test_probe_path $(BUILD)/tests/unit/test_probe_path_host: | $(BUILD)/sluice-backend

$(BUILD)/tests/packet/%.o: tests/packet/%.c | $(BUILD)/sluice.skel.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests -c $< -o $@

$(BUILD)/tests/packet/%: $(BUILD)/tests/packet/%.o $(PACKET_HELPERS) $(BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -lcmocka -o $@

$(BUILD)/tests/net/%: tests/net/%.c $(BUILD)/user/lib/clock.o
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< $(filter %.o,$^) -o $@

$(BUILD)/tests/%.bpf.o: tests/%.bpf.c | need
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/tests/bench/%.skel.h: $(BUILD)/tests/bench/%.bpf.o
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.new && mv $@.new $@

$(BUILD)/tests/bench/bench_change $(BUILD)/tests/bench/bench_agent $(BUILD)/tests/bench/bench_maglev: \
		$(BUILD)/tests/bench/%: tests/bench/%.c $(BUILD)/libsluice.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Itests $< $(BUILD)/libsluice.a $(PKG_LIBS) -o $@

$(BUILD)/tests/bench/bench_packet: $(BUILD)/tests/bench/lru.skel.h

$(BUILD)/tests/bench/bench_packet $(BUILD)/tests/bench/bench_transition: $(BUILD)/tests/bench/%: tests/bench/%.c \
		$(BUILD)/tests/bench/floor.skel.h $(BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Itests -I$(@D) $< $(BUILD)/libsluice.a $(PKG_LIBS) -o $@

$(BUILD)/tests/bench/bench_rate: tests/bench/bench_rate.c $(BUILD)/tests/bench/floor.skel.h \
		$(BUILD)/tests/bench/rate.skel.h $(BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Itests -I$(@D) $< $(filter %.a,$^) $(PKG_LIBS) -o $@

$(BUILD)/tests/bench/bench_paths: tests/bench/bench_paths.c $(BUILD)/tests/packet/frame.o \
		$(BUILD)/tests/bench/floor.skel.h $(BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Itests -I$(@D) $< $(filter %.o %.a,$^) $(PKG_LIBS) -lcmocka -o $@

.PHONY: test
test: ## install what is missing, build, run all tests (as root)
	scripts/deps.sh test
	$(MAKE) all tests
	$(MAKE) -j2 near net # the network tests mostly wait

.PHONY: near
near: ## run all tests but the network's
	$(MAKE) -j1 unit fuzz-replay packet cli

.PHONY: tests
tests: $(UNIT_TESTS) $(PACKET_TESTS) $(BENCHES) $(NET_PROGRAMS) $(FUZZ_REPLAYS) $(BUILD)/tests/pass.bpf.o ## build the tests alone

.PHONY: unit
unit: $(UNIT_TESTS) ## run the unit tests alone
	@for test in $(UNIT_TESTS); do echo "== $$test"; $$test || exit 1; done

.PHONY: packet
packet: $(PACKET_TESTS) ## run the XDP program's packet tests alone (as root)
	@for test in $(PACKET_TESTS); do echo "== $$test"; $$test || exit 1; done

.PHONY: doc/packets.md
doc/packets.md: $(PACKET_TESTS) ## make the table of packet cases anew
	@tests/packet/tables $(BUILD) > $(BUILD)/packets.md
	@cp $(BUILD)/packets.md $@

# SEQUENCES=N is another number, SEED=N repeats; it ends with the first sequence that fails.
.PHONY: soak
soak: $(BUILD)/tests/packet/test_transition_model ## a million random sequences of changes under traffic (as root)
	SEQUENCES=$(or $(SEQUENCES),1000000) $<

# FUZZ="config http" are those alone, RUNS=N is another number of inputs for each
FUZZ ?= $(FUZZ_NAMES)
FUZZ_BUILD := $(BUILD)/fuzz
# what a sanitizer finds ends the fuzzer; of warnings, gcc's are enough
FUZZ_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -w
fuzz_field = $(word $1,$(subst :, ,$(filter $*:%,$(FUZZERS))))

$(FUZZ_BUILD)/user/%.o: user/%.c VERSION | $(SKELETONS) need
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CLANG) $(ALL_CFLAGS) -fsanitize=fuzzer-no-link $(FUZZ_FLAGS) -c $< -o $@

$(FUZZ_BUILD)/libsluice.a: $(LIB_SOURCES:%.c=$(FUZZ_BUILD)/%.o)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.c $(FUZZ_BUILD)/libsluice.a
	$(call say,LINK)
	$(Q)$(CLANG) $(ALL_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer $(LDFLAGS) -Itests $(filter %.c %.o,$^) \
		$(FUZZ_BUILD)/libsluice.a $(PKG_LIBS) -lm -o $@

# where the words for the dictionary are
FUZZ_WORDS_config := $(wildcard user/in/config*.c user/model/config*.c)
FUZZ_WORDS_control := $(wildcard user/agent/*.c)
FUZZ_WORDS_snapshot := $(wildcard user/model/health*.c)
FUZZ_WORDS_ids := user/model/ids.c
FUZZ_WORDS_events := user/out/events.c
FUZZ_WORDS_backend := user/backend/state_file.c

# its loops over all indices would be slow
$(FUZZ_BUILD)/user/model/ids.o: FUZZ_FLAGS += -fno-sanitize-coverage=trace-cmp

comma := ,

# what of the programs they need besides libsluice.a
fuzz_also = $(eval $(FUZZ_BUILD)/fuzz_$1: $(2:%=$(FUZZ_BUILD)/user/%.o))$(eval \
	$(BUILD)/tests/fuzz/fuzz_$1: $(2:%=$(BUILD)/user/%.o))
$(call fuzz_also,control,$(patsubst user/%.c,%,$(filter-out %/main.c,$(wildcard user/agent/*.c))))
$(call fuzz_also,text,cli/duration)
$(call fuzz_also,backend,backend/state backend/state_file backend/prefixes)
# they have their own in place of some functions: of libc's and of the agent's
fuzz_flags = $(eval $(FUZZ_BUILD)/fuzz_$1 $(BUILD)/tests/fuzz/fuzz_$1: LDFLAGS += $2)
$(call fuzz_flags,control,-Wl$(comma)-z$(comma)muldefs)
$(call fuzz_flags,backend,-Wl$(comma)--wrap=stat)
$(call fuzz_flags,probe,$(patsubst %,-Wl$(comma)--wrap=%,\
	socket connect getpeername setsockopt evutil_secure_rng_get_bytes))

# the same without libFuzzer: main() of replay.c feeds it the kept inputs
$(BUILD)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.c tests/fuzz/replay.c $(BUILD)/libsluice.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Itests $(filter %.c %.o,$^) $(BUILD)/libsluice.a $(PKG_LIBS) -lm -o $@

# the XDP program in a process; libFuzzer watches the program alone, not what checks it
FUZZ_BPF := $(patsubst %.c,%.o,$(wildcard tests/fuzz/bpf_*.c))
$(FUZZ_BUILD)/fuzz_bpf: $(FUZZ_BPF:%=$(FUZZ_BUILD)/%)
$(BUILD)/tests/fuzz/fuzz_bpf: $(FUZZ_BPF:%=$(BUILD)/%)
$(BUILD)/tests/packet/test_fuzz: $(filter-out %_kernel.o %_program.o %_sequence.o,$(FUZZ_BPF:%=$(BUILD)/%))
$(FUZZ_BUILD)/tests/fuzz/bpf_program.o $(BUILD)/tests/fuzz/bpf_program.o: \
	CPPFLAGS += -fno-strict-aliasing -Wno-unknown-pragmas -Itests/fuzz/bpf_shim -Ibpf
# packets lie at any address, as they do for the kernel
$(FUZZ_BUILD)/tests/fuzz/bpf_program.o: FUZZ_FLAGS += -O2 -fsanitize=fuzzer-no-link -fno-sanitize=alignment

$(FUZZ_BUILD)/tests/fuzz/%.o: tests/fuzz/%.c | need
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CLANG) $(ALL_CFLAGS) $(FUZZ_FLAGS) -Itests -c $< -o $@

$(BUILD)/tests/fuzz/%.o: tests/fuzz/%.c | need
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests -c $< -o $@

.PHONY: fuzz
fuzz: ## feed mutated inputs to all parsers for five minutes; FUZZ="config" RUNS=N (README.md)
	scripts/deps.sh fuzz
	$(MAKE) -j2 fuzz-build
	$(MAKE) -j2 -k $(FUZZ:%=fuzz-run-%)

.PHONY: fuzz-build
fuzz-build: need $(FUZZ:%=$(FUZZ_BUILD)/fuzz_%) # the fuzzers alone

.PHONY: $(FUZZ_NAMES:%=fuzz-run-%)
$(FUZZ_NAMES:%=fuzz-run-%): fuzz-run-%: $(FUZZ_BUILD)/fuzz_%
	@tests/fuzz/run $(FUZZ_BUILD) $* $(or $(RUNS),$(call fuzz_field,2)) $(call fuzz_field,3) $(FUZZ_WORDS_$*)

.PHONY: fuzz-replay
fuzz-replay: $(FUZZ_REPLAYS) ## feed the fuzzers' kept inputs alone
	@for fuzzer in $(FUZZ_REPLAYS); do $$fuzzer tests/fuzz/corpus/$${fuzzer##*/fuzz_} || exit 1; done

PYTEST := /usr/bin/python3 -B -m pytest -p no:cacheprovider -q

.PHONY: cli
cli: $(BUILD)/sluice $(PACKET_TESTS) ## run the CLI's and the docs' tests alone
	SLUICE=$(abspath $(BUILD)/sluice) $(PYTEST) tests/cli

.PHONY: net
net: all $(NET_PROGRAMS) $(BUILD)/tests/pass.bpf.o ## run the network tests alone (as root)
	BUILD=$(BUILD) $(PYTEST) -n 3 tests/net # conftest.py says which process runs what

# KERNELS="6.1" runs one of them alone, "newest" the newest that Debian has. Another clang, too, for what verifiers
# make of its code.
OTHER_CLANG := clang-19
OTHER_BUILD := $(BUILD)/vm/$(OTHER_CLANG)

.PHONY: test-vm
test-vm: ## run packet and end-to-end tests on Debian's kernels, in QEMU
	scripts/deps.sh vm
	$(MAKE) all $(PACKET_TESTS) $(BUILD)/tests/unit/test_netlink_vlan $(BUILD)/tests/pass.bpf.o \
		$(BUILD)/tests/seen.bpf.o
	$(MAKE) BUILD=$(OTHER_BUILD) CLANG=$(OTHER_CLANG) all $(OTHER_BUILD)/tests/packet/test_load
	BUILD=$(BUILD) tests/vm/run $(KERNELS)

# PART="packet change" runs those alone, one after the other; suite.py says what becomes of them.
PARTS := packet rate peers paths transition change maglev agent sweep failover probes reload kills stages
PART ?= $(PARTS)

.PHONY: bench
bench: ## print figures, and put JSON and plots in build/bench/; PART="packet rate" runs those (as root; README.md)
	$(foreach part,$(filter-out $(PARTS),$(PART)),$(error no part $(part) of make bench: there are $(PARTS)))
	@[ "$$(id -u)" = 0 ] || { echo "make bench: needs root: network namespaces, XDP" >&2; exit 1; }
	scripts/deps.sh bench
	$(MAKE) all $(BENCHES) $(NET_PROGRAMS) $(BUILD)/tests/pass.bpf.o
	@mkdir -p $(BUILD)/bench
	@CLANG="$(CLANG)" MAKE="$(MAKE_COMMAND)" BUILD="$(BUILD)" BASE="$(BASE)" /usr/bin/python3 -B tests/bench/suite.py $(PART)

.PHONY: bench-packet bench-rate bench-peers bench-paths bench-transition bench-change bench-maglev bench-agent \
	bench-sweep bench-failover bench-probes bench-reload bench-kills bench-stages
bench-packet: # ns a packet beside its floors; BASE=FILE: an earlier build's sluice.bpf.o, too; GROUP=flows: that alone
	BASE="$(BASE)" $(BUILD)/tests/bench/bench_packet 25 $(BUILD)/bench/packet.json $(GROUP)

bench-rate: # packets a second over veth, on one core and two
	$(BUILD)/tests/bench/bench_rate 21 $(BUILD)/bench/rate.json

bench-peers: $(BUILD)/tests/bench/wire.bpf.o # beside nftables, IPVS and HAProxy: a request's CPU time, and a download's
	BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/bench_peers.py

bench-paths: # of every way through the program; BASE=FILE: an earlier build's sluice.bpf.o among them
	BASE="$(BASE)" $(BUILD)/tests/bench/bench_paths 7 $(BUILD)/bench/paths.json

bench-transition: # the same in transitions
	$(BUILD)/tests/bench/bench_transition 21 $(BUILD)/bench/transition.json

bench-change: # from a verdict to the slots, in memory
	$(BUILD)/tests/bench/bench_change 15 $(BUILD)/bench/change.json

bench-maglev: # a table in full and after one weight's change, beside the paper's pseudo code
	$(BUILD)/tests/bench/bench_maglev 9 $(BUILD)/bench/maglev.json

bench-agent bench-sweep bench-failover bench-probes bench-reload bench-kills: bench-%: # of the whole agent, in namespaces
	BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/bench_$*.py

bench-stages: # instructions of the translated program by source file
	BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/stages.py

.PHONY: demo
demo: ## see it at work, in network namespaces (as root; installs what is missing)
	scripts/deps.sh build
	scripts/deps.sh demo
	$(MAKE) all $(BUILD)/tests/pass.bpf.o
	BUILD=$(abspath $(BUILD)) scripts/demo.sh

# The units name /usr/sbin; elsewhere they are told where the programs are.
define install_unit
	sed 's|/usr/sbin/|$(PREFIX)/sbin/|' packaging/$1 > $(BUILD)/$1
	install -D -m 644 $(BUILD)/$1 $(DESTDIR)$(PREFIX)/lib/systemd/system/$1
endef

.PHONY: install
install: all ## install under DESTDIR and PREFIX (/usr/local)
	install -D -m 755 $(BUILD)/sluiced $(DESTDIR)$(PREFIX)/sbin/sluiced
	install -D -m 755 $(BUILD)/sluice-backend $(DESTDIR)$(PREFIX)/sbin/sluice-backend
	install -D -m 755 $(BUILD)/sluice $(DESTDIR)$(PREFIX)/bin/sluice
	for page in man/*.5; do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man5/$${page##*/}; done
	for page in man/*.8; do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man8/$${page##*/}; done
	install -D -m 644 examples/sluice.yaml $(DESTDIR)$(PREFIX)/share/doc/sluice/examples/sluice.yaml
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/sluice/LICENSE
	install -D -m 644 packaging/sluice.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/sluice
	$(call install_unit,sluiced.service)
	$(call install_unit,sluice-backend.service)

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

# keep what make would take for intermediate files
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
