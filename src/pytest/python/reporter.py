"""What happens in a run of pytest, as lines of JSON, and what its test files read. Also the run itself: `run` does what
`python -m pytest` does, in a process that may have been warmed up. Standard library and pytest alone."""

import json
import os
import re
import stat
import sys
import time

LONGEST = 64 * 1024
SAID = 2000
MOST_READS = 20000
MOST_WORDS = 200
WRITES = os.O_WRONLY | os.O_RDWR
# How pytest's last line has what comes of a test, in the three words of a verdict.
COUNTED = {
    "passed": "passed",
    "xfailed": "passed",
    "xpassed": "passed",
    "failed": "failed",
    "error": "failed",
    "skipped": "skipped",
}
# What stands before the lines of an error, and how a traceback names a place: by itself, or as Python does.
LEAD = re.compile(r"^E\s+")
PLACE = re.compile(r"^(?!E )(\S[^\n]*?):(\d+): |^E? *File \"([^\n]+)\", line (\d+)", re.MULTILINE)
SPAWNS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec", "os.fork", "os.forkpty", "pty.spawn"}


class Reporter:
    """A plugin. Its events go to a file descriptor, one line each; what cannot be written is left out."""

    def __init__(self, job, out, path=None):
        self.root = os.path.realpath(job["root"]) + os.sep
        self.start = os.getcwd()
        self.prefix = os.path.abspath(sys.prefix) + os.sep
        library = os.path.dirname(os.__file__) + os.sep
        self.prefixes = (self.prefix, library, os.path.realpath(library) + os.sep)
        # What was there before the run is not the project's.
        self.warm = job.get("warm", ())
        self.last = job.get("last")
        self.loaded = job.get("loaded", [])
        self.named = job.get("named", False)
        self.out = out
        self.path = path
        self.pid = os.getpid()
        # The test file that is collected or run, and what was read for it and by which module.
        self.file = None
        self.reads = {}
        # What was opened to be written, with its size before that; what was read before it was written, and what was not.
        self.writes = {}
        self.first = set()
        self.made = set()
        self.begun = time.time()
        # What lies there is the system's, an environment's, or of no process after this one.
        places = {os.sep.join(("", each, "")) for each in ("proc", "sys", "dev", "etc", "usr", "lib", "lib64", "bin", "var", "run")}
        places.update(os.path.join(each, "") for each in (sys.base_prefix, os.path.realpath(sys.base_prefix), self.prefix))
        self.elsewhere = tuple(places)
        self.count = 0
        self.spawned = set()
        self.collecting = True
        self.known = None
        self.sets = set()
        self.strict = False
        self.seen = set()
        self.names = {}
        self.strange = False
        self.place = {}
        self.workers = False
        self.ended = 0
        self.modules = []
        self.subtests = {}
        self.counts = {}
        self.config = None

    def tell(self, event, **more):
        # A child that a test forked has our plugins, too, and is not the run.
        if os.getpid() != self.pid:
            return
        more["event"] = event
        # A text may hold bytes that are none, which no reader of JSON takes.
        line = json.dumps(more, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        try:
            while line:
                line = line[os.write(self.out, line) :]
        except OSError:
            # A test that closes every file has closed ours, too.
            if self.path is not None:
                path, self.path = self.path, None
                try:
                    self.out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
                except OSError:
                    return
                self.tell(event, **more)

    def inside(self, path):
        """A path below the root, relative to it; a file of byte code stands for its source."""
        try:
            path = os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError, OSError):
            return None
        if not path.startswith(self.root):
            path = os.path.realpath(path)
        if path + os.sep == self.root:
            return "."
        # An environment may lie in the project; what is installed in it is no part of it.
        if not path.startswith(self.root) or path.startswith(self.prefix) or "-packages" + os.sep in path:
            return None
        path = path[len(self.root) :]
        if path.startswith("<"):
            return None
        head, name = os.path.split(path)
        if os.path.basename(head) == "__pycache__":
            path = os.path.join(os.path.dirname(head), name.split(".")[0] + ".py")
        return path

    def hear(self, event, args):
        """An audit hook: it must be quick, and never raise."""
        try:
            self.heard(event, args)
        except Exception:
            self.strange = True

    def heard(self, event, args):
        if event == "open" and isinstance(args[0], (str, bytes)):
            writes = isinstance(args[2], int) and args[2] & WRITES
            if writes:
                self.write(args[0])
            self.read(args[0], not writes)
        elif event == "sqlite3.connect" and isinstance(args[0], (str, bytes)):
            self.read(of_uri(args[0]))
        elif event in ("os.listdir", "os.scandir"):
            # Python's own search for modules lists directories; what it finds is in the graph.
            if not sys._getframe(2).f_code.co_filename.startswith("<frozen importlib"):
                self.read("." if args[0] is None else args[0])
        elif event in SPAWNS:
            self.spawns()
            self.given(args)
        elif event == "os.putenv" and self.collecting and self.in_project():
            # What is imported from here on may read it.
            self.known = self.known or self.new_modules()
            self.sets.add(os.fsdecode(args[0]))

    def in_project(self):
        """Whether the project does what happens now, itself or by a function of others; what a package does when it is imported is its
        own, whoever imports it."""
        frame = sys._getframe(2)
        while frame is not None:
            if self.of_project(frame.f_code.co_filename) is not None:
                return True
            if frame.f_code.co_name == "<module>":
                return False
            frame = frame.f_back
        return False

    def of_project(self, name):
        """A file of the project that code comes from, relative to the root; None for all other code."""
        if name not in self.names:
            self.names[name] = None if name.startswith("<") else self.inside(name)
        return self.names[name]

    def owners(self, frame):
        """Who does what happens now: the test file, and the nearest file of the project, whose other users may get what it keeps."""
        found = {self.file} if self.file else set()
        while frame is not None:
            owner = self.of_project(frame.f_code.co_filename)
            if owner is not None:
                found.add(owner)
                break
            frame = frame.f_back
        return found

    def given(self, args):
        """What another program is told by name it may read."""
        words, at = [], None
        for each in args:
            if isinstance(each, (list, tuple)):
                words.extend(each[:MOST_WORDS])
        if len(args) > 2 and isinstance(args[2], (str, bytes)):
            at = os.fsdecode(args[2])
        for word in words:
            if isinstance(word, (str, bytes)) and len(word) < 4096:
                path = os.path.join(at or ".", os.fsdecode(word))
                if os.path.isfile(path):
                    path = os.path.abspath(path)
                    self.read(path)
                    # It may as well be told to write it: what is otherwise again and again is the run's own.
                    found = self.inside(path) or self.outside(path)
                    if found is not None and len(self.writes) < MOST_READS:
                        self.writes.setdefault(found, size(path))

    def spawns(self):
        self.spawned.update(self.owners(sys._getframe(2)))

    def read(self, path, only=True):
        # What is open already has been heard of.
        if self.count >= MOST_READS or not isinstance(path, (str, bytes)):
            return
        owners = self.owners(sys._getframe(2))
        key = (path if os.path.isabs(path) else (os.getcwd(), path), frozenset(owners))
        if key in self.seen:
            return
        self.seen.add(key)
        found = self.inside(path) or self.outside(path)
        if found is None:
            return
        self.count += 1
        if only:
            self.first.add(found)
        if any("\ud800" <= c <= "\udfff" for c in found):
            self.strange = True
        for owner in owners:
            self.reads.setdefault(owner, set()).add(found)

    def write(self, path):
        # Byte code stands for its source, which nobody writes by that.
        if os.path.basename(os.path.dirname(os.fsdecode(path))) == "__pycache__":
            return
        found = self.inside(path) or self.outside(path)
        if found is not None and found not in self.writes and len(self.writes) < MOST_READS:
            self.writes[found] = size(os.path.join(self.root, found))
            if found not in self.first:
                self.made.add(found)

    def outside(self, path):
        """A file outside of the project that was there before the run, whole; what a run makes for itself is of no other."""
        path = os.path.abspath(os.fsdecode(path))
        if path.startswith(self.elsewhere) or path.startswith(self.prefixes) or "-packages" + os.sep in path:
            return None
        if os.path.realpath(path).startswith(self.root):
            return None
        head, name = os.path.split(path)
        if os.path.basename(head) == "__pycache__":
            path = os.path.join(os.path.dirname(head), name.split(".")[0] + ".py")
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        return path if stat.S_ISREG(status.st_mode) and status.st_ctime < self.begun else None

    # What pytest calls.

    def pytest_cmdline_main(self, config):
        # A forked run needs no other processes: they would have to import everything again.
        if self.warm and getattr(config.option, "numprocesses", None):
            config.option.numprocesses = 0
            config.option.dist = "no"
            config.option.tx = []

    def pytest_configure(self, config):
        self.config = config
        filters = list(config.getini("filterwarnings")) + list(getattr(config.option, "pythonwarnings", None) or [])
        root, ini = getattr(config, "rootpath", None) or config.rootdir, getattr(config, "inipath", None)
        self.place = {"rootdir": str(root), "ini": str(ini) if ini else None}
        self.strict = any(each.strip().startswith("error") for each in filters)
        option = config.option
        self.place["patterns"] = list(config.getini("python_files"))
        if config.pluginmanager.hasplugin("doctest"):
            self.place["doctests"] = list(getattr(option, "doctestglob", None) or ["test*.txt"])
            if getattr(option, "doctestmodules", False):
                self.place["doctests"].append("*.py")
        self.place["coverage"] = bool(getattr(option, "cov_source", None))
        # What worker processes read, nobody sees here.
        self.workers = bool(getattr(option, "numprocesses", None))

    def pytest_collectstart(self, collector):
        path = getattr(collector, "path", None) or getattr(collector, "fspath", None)
        if path is not None and os.path.isfile(str(path)):
            self.file = self.inside(str(path))

    def pytest_collectreport(self, report):
        self.file = None
        if report.nodeid.endswith(".py") and not report.nodeid.endswith("__init__.py"):
            self.modules.append(report.nodeid)
        if report.failed:
            self.tell("broken", id=report.nodeid, file=report.nodeid.split("::")[0], **self.told(report.longrepr))
        elif report.skipped:
            # A module can leave out all its tests before any is found.
            self.tell("skipped", id=report.nodeid, file=report.nodeid.split("::")[0], message=reason(report.longrepr))

    def pytest_collection_finish(self, session):
        self.collecting = False
        self.file = None
        # A file may have no test; to know that is to know the file.
        files = dict.fromkeys(self.modules, 0)
        for item in session.items:
            file = item.nodeid.split("::")[0]
            files[file] = files.get(file, 0) + 1
        plugins = (getattr(each, "__file__", None) for each in session.config.pluginmanager.get_plugins())
        plugins = {self.of_project(each) for each in plugins if isinstance(each, str)}
        self.tell("collected", files=files, at=now(), plugins=sorted(filter(None, plugins)), **self.place)

    def pytest_runtest_logstart(self, nodeid, location):
        self.file = nodeid.split("::")[0]

    def pytest_runtest_logreport(self, report):
        is_end = report.when == "call" or report.outcome != "passed"
        if not is_end:
            return
        if hasattr(report, "context"):
            # A part of a test: what comes of it is told with the whole, and pytest counts it besides.
            category = self.config.hook.pytest_report_teststatus(report=report, config=self.config)[0]
            self.counts.setdefault(report.nodeid, []).append(COUNTED.get(category))
            if report.failed and not hasattr(report, "wasxfail"):
                self.subtests.setdefault(report.nodeid, []).append(self.told(report.longrepr))
            return
        more = {}
        outcome = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xfailed" if report.skipped else "xpassed"
            # Of a test that was expected to fail by its mark it is the mark's reason.
            wanted = str(report.wasxfail)
            more["message"] = (wanted[8:] if wanted.startswith("reason: ") else wanted)[:SAID]
        elif report.failed:
            outcome = "failed" if report.when == "call" else "error"
            more = self.told(report.longrepr)
            if outcome == "error":
                more["when"] = report.when
        elif report.skipped:
            more["message"] = reason(report.longrepr)
        counts = [each for each in self.counts.pop(report.nodeid, ()) if each]
        if counts:
            counts.append(COUNTED.get(outcome))
            more["counts"] = {each: counts.count(each) for each in COUNTED.values()}
        parts = self.subtests.pop(report.nodeid, None)
        if parts and "text" not in more:
            outcome = "failed"
            more.update(parts[0], text="\n".join(part["text"] for part in parts)[:LONGEST])
        if outcome in ("failed", "error"):
            stands = report.location[1]
            more["stands"] = None if stands is None else stands + 1
        self.tell(
            "test",
            id=report.nodeid,
            file=report.nodeid.split("::")[0],
            outcome=outcome,
            ms=round(report.duration * 1000, 3),
            **more,
        )

    def told(self, longrepr):
        """The text of a failure as pytest prints it, where it is, and its last word."""
        text = str(longrepr)
        crash = getattr(longrepr, "reprcrash", None)
        message = getattr(crash, "message", None) or LEAD.sub("", text.strip().rsplit("\n", 1)[-1])
        path, line = getattr(crash, "path", None), getattr(crash, "lineno", None)
        if path is None:
            # Of what broke before there was a test there is the text alone.
            for found in PLACE.finditer(text):
                at = os.path.join(self.start, found.group(1) or found.group(3))
                if self.inside(at) is not None:
                    path, line = at, int(found.group(2) or found.group(4))
        if path is not None and self.inside(path) is None:
            # It failed in somebody else's code: what matters is where the project called it.
            entries = getattr(getattr(longrepr, "reprtraceback", None), "reprentries", ())
            for place in (getattr(entry, "reprfileloc", None) for entry in reversed(entries)):
                if place is not None and self.inside(os.path.join(self.start, place.path)) is not None:
                    path, line = os.path.join(self.start, place.path), place.lineno
                    break
        return {"text": text[:LONGEST], "path": path, "line": line, "message": message[:SAID]}

    def pytest_sessionfinish(self, session, exitstatus):
        self.end(int(exitstatus))

    def end(self, code):
        self.ended = now()
        reads = {owner: sorted(paths) for owner, paths in self.reads.items()}
        whole = self.count < MOST_READS and not self.workers and not self.strange and hasattr(sys, "addaudithook")
        writes = sorted(self.writes)
        altered = [path for path in writes if size(os.path.join(self.root, path)) != self.writes[path]]
        spawned = sorted(filter(None, self.spawned))
        self.tell("reads", reads=reads, whole=whole, writes=writes, made=sorted(self.made), altered=altered, spawned=spawned)
        new = self.known if self.known is not None else self.new_modules()
        # Who is told the rest of a whole run knows them all from there.
        names = ([] if self.named else self.loaded) + list(filter(None, map(self.foreign, new)))
        self.tell("modules", names=names, strict=self.strict, sets=sorted(self.sets))
        self.tell("end", code=code, at=self.ended)

    def new_modules(self):
        """The modules that were not there before the run, in the order of their import. To look at the others would copy the memory that
        they share with other processes."""
        new = []
        try:
            for name in reversed(sys.modules):
                if name == self.last:
                    break
                new.append(name)
        except RuntimeError:  # a thread imports something just now
            new = list(reversed(list(sys.modules)))
        return [name for name in reversed(new) if name not in self.warm]

    def foreign(self, name):
        """A module's name, when it is no part of the project and has a file."""
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None)
        origin = getattr(spec, "origin", None)
        if not origin or name.startswith(("__", "pytest", "_pytest")) or not isinstance(origin, str):
            return None
        if origin in ("built-in", "frozen"):
            return None
        # What lies elsewhere is worked on like the project: an editable installation, a directory beside it.
        return name if origin.startswith(self.prefixes) or "-packages" + os.sep in origin else None


def size(path):
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return None


def of_uri(path):
    """The file that SQLite is asked for, which may be named by a URI."""
    path = os.fsdecode(path)
    return path[5:].split("?")[0].split("#")[0] if path.startswith("file:") else path


def reason(longrepr):
    """Why a test was left out."""
    said = str(longrepr[2]) if isinstance(longrepr, tuple) and len(longrepr) == 3 else str(longrepr)
    return (said[9:] if said.startswith("Skipped: ") else said)[:SAID]


def now():
    """Microseconds of the clock that no one sets."""
    return time.monotonic_ns() // 1000


def pytest_main(pytest):
    """What `python -m pytest` calls. Newer versions say in their usage how they were called."""
    from _pytest import config

    name = getattr(config, "_get_prog_name", None)
    if name is None or not hasattr(config, "_main"):
        return pytest.main
    return lambda args, plugins: config._main(args=args, plugins=plugins, prog=name(sys.argv))


def hear_fork_exec(reporter):
    """multiprocessing starts processes in a way of which no audit hook hears."""
    try:
        import _posixsubprocess
    except ImportError:
        return
    start = _posixsubprocess.fork_exec

    def fork_exec(*args):
        reporter.spawns()
        return start(*args)

    _posixsubprocess.fork_exec = fork_exec


def be_main(file):
    """What code that looks at the main module finds, as `python -m pytest` has it."""
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is None:
        from importlib.util import spec_from_file_location

        main.__spec__ = spec_from_file_location("pytest.__main__", file)
        main.__file__, main.__package__, main.__cached__ = file, "pytest", main.__spec__.cached


def run(job, out, path=None):
    """Runs pytest as `python -m pytest` does; the exit code."""
    try:
        import pytest
    except ModuleNotFoundError as error:
        if error.name != "pytest":
            raise
        sys.stderr.write("%s: No module named pytest\n" % sys.executable)
        return 1

    sys.argv = [os.path.join(os.path.dirname(pytest.__file__), "__main__.py")] + job["args"]
    be_main(sys.argv[0])
    sys.path.insert(0, os.getcwd())
    if job.get("memory"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (job["memory"], resource.RLIM_INFINITY))
    reporter = Reporter(job, out, path)
    reporter.tell("begun", at=now())
    # It must be asked before xdist looks at its own options.
    pytest.hookimpl(tryfirst=True)(Reporter.pytest_cmdline_main)
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(reporter.hear)
        hear_fork_exec(reporter)
    code = 3
    try:
        code = int(pytest_main(pytest)(job["args"], plugins=[reporter]))
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
    try:
        sys.stdout.flush()
    except OSError:
        code = 1
    return code
