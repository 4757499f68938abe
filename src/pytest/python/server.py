"""The warm side of a project's pytest: a process that has imported pytest and what the project's tests import from elsewhere,
never the project itself, and that runs nothing. For each run it forks. Where it must not fork it runs one job and ends.

File 0 is a socket of packets: requests come with files, answers go as JSON. `reporter.py` and `imports.py` stand before this
text, as one program. Standard library and pytest alone."""

import gc
import importlib
import importlib.metadata
import importlib.util
import inspect
import pathlib
import random
import select
import signal
import socket

THREADS = ("jemalloc_bg_thd", "polars-ooc")
BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PACKET = 1 << 16
SECONDS = 3
PROG = "python -m pytest"


def receive(control):
    data, files, _, _ = socket.recv_fds(control, PACKET, 8)
    return (json.loads(data) if data else None), files


def send(control, **answer):
    control.send(json.dumps(answer).encode())


def job_of(file):
    with open(file, "rb") as job:
        return json.load(job)


def preload(names, root):
    """Imports what is not the project's; the names that could be imported."""
    root = os.path.realpath(root) + os.sep
    loaded = []
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from _pytest.config import default_plugins

        for name in ["pytest"] + ["_pytest." + each for each in default_plugins] + names:
            if name in sys.modules:
                loaded.append(name)
                continue
            try:
                spec = importlib.util.find_spec(name)
                origin = os.path.realpath(spec.origin) if spec and spec.origin else ""
                if origin.startswith(root) and "site-packages" not in origin and "dist-packages" not in origin:
                    continue
                importlib.import_module(name)
                loaded.append(name)
            except Exception:
                continue
            except SystemExit:
                continue
    return loaded


def unfit(control):
    """Why this process must not fork for others; None when it may."""
    if not hasattr(os, "pidfd_open"):
        return "this Python cannot wait for its children"
    # What has handlers for a fork puts its threads away.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    for task in os.listdir("/proc/self/task"):
        if int(task) == os.getpid():
            continue
        try:
            with open("/proc/self/task/%s/comm" % task) as comm:
                name = comm.read().strip()
        except OSError:
            continue
        if not name.startswith(THREADS):
            return "a thread '%s' runs after the imports" % name
    for file in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + file)
        except OSError:
            continue
        if target.startswith("/dev/nvidia") or (target.startswith("socket:") and int(file) != control.fileno()):
            return "an import opened %s" % target
    with open("/proc/self/maps") as maps:
        if "libcuda.so" in maps.read():
            return "the driver of a graphics card is loaded"
    return None


class Distributions:
    """What is installed, looked up once: the list is a part of what a server is for."""

    def __init__(self):
        self.find = importlib.metadata.distributions
        self.kept = [Kept(found) for found in self.find()]

    def __call__(self, **context):
        if context:
            return self.find(**context)
        # A project may have its own metadata beside it.
        return list(self.find(path=[os.getcwd()])) + self.kept


class Kept:
    def __init__(self, found):
        self.found = found
        self.entry_points = found.entry_points
        self.files_kept = self.metadata_kept = False

    @property
    def metadata(self):
        if not self.metadata_kept:
            self.metadata_kept, self.all_metadata = True, self.found.metadata
        return self.all_metadata

    @property
    def files(self):
        if not self.files_kept:
            self.files_kept, self.all_files = True, self.found.files
        return self.all_files

    def __getattr__(self, name):
        return getattr(self.found, name)


def warm_distributions(kept):
    for each in kept.kept:
        if any(point.group == "pytest11" for point in each.entry_points):
            each.files, each.metadata


def be_the_run(files, loaded, distributions, made=None):
    """Becomes a run of pytest in this process, and ends with its exit code."""
    out, err, events, job = files
    job = job_of(job)
    try:
        os.setsid()
    except OSError:
        pass
    null = os.open(os.devnull, os.O_RDONLY)
    for file, to in ((null, 0), (out, 1), (err, 2)):
        os.dup2(file, to)
    for file in (null, out, err):
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["cwd"])
    for name in job["unset"]:
        os.environ.pop(name, None)
    for name, value in job["set"].items():
        os.environ[name] = value
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        keep_settled_bytecode()
    if job.get("nice"):
        os.nice(job["nice"])
    shadowed = set(os.listdir(".")) & {
        each for name in loaded for each in (name.split(".")[0], name.split(".")[0] + ".py")
    }
    is_package = lambda name: name.endswith(".py") or os.path.isfile(os.path.join(name, "__init__.py"))
    if any(is_package(name) for name in shadowed):
        os._exit(120)
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    importlib.invalidate_caches()
    from _pytest.assertion.rewrite import AssertionRewritingHook

    importlib.metadata.distributions = distributions
    # They were imported before pytest could rewrite their asserts; in a cold run it could, and would say nothing.
    warn = AssertionRewritingHook._warn_already_imported
    ours = set(sys.modules)
    AssertionRewritingHook._warn_already_imported = lambda self, name: None if name in ours else warn(self, name)
    job["warm"], job["loaded"] = ours, [name for name in loaded if not name.startswith(("pytest", "_pytest"))]
    use(made)
    code = run(job, events)
    try:
        import atexit
        import threading

        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def keep_settled_bytecode():
    """Python takes compiled code for that of a source of the same size and second, so none is kept of what was saved just now. What
    was saved before that is kept all the same: else each run after a save would compile everything."""
    from importlib._bootstrap_external import SourceFileLoader
    from _pytest.assertion import rewrite

    clock, stat, keep, write = time.time, os.stat, SourceFileLoader.set_data, rewrite._write_pyc

    def set_data(self, path, data, **more):
        if stat(self.path).st_mtime < clock() - SECONDS:
            keep(self, path, data, **more)

    def write_pyc(state, code, source, *more):
        # Newer versions of pytest tell sources apart by what is in them.
        is_settled = getattr(source, "st_mtime", 0) < clock() - SECONDS
        return is_settled and write(state, code, source, *more)

    SourceFileLoader.set_data, rewrite._write_pyc = set_data, write_pyc


def ahead():
    """The part of a run of pytest that is the same in every run, before anything is asked for: its own plugins are registered. None where
    this pytest makes its configuration in another way than is known here."""
    try:
        from _pytest import config

        known = list(inspect.signature(config.get_config).parameters)
        if known[:2] != ["args", "plugins"] or set(known[2:]) - {"prog"}:
            return None
        return config.get_config(**({"prog": PROG} if "prog" in known else {}))
    except Exception:
        return None


def use(made):
    """Has the next run of pytest take this configuration."""
    from _pytest import config

    make = config.get_config

    def get_config(args=None, plugins=None, **more):
        config.get_config = make
        # An argument may leave one of the plugins out.
        if any(str(word).startswith("-p") for word in args or ()) or more.get("prog", PROG) != PROG:
            return make(args, plugins, **more)
        params = type(made.invocation_params)
        made.invocation_params = params(args=args or (), plugins=plugins, dir=pathlib.Path.cwd())
        return made

    if made is not None:
        config.get_config = get_config


def know_names(plugins):
    """pytest looks at every name of every plugin in each run, for hooks and for fixtures. Modules that are there already do not change, so
    it is known which of their names can be neither: it is given the others alone."""
    from _pytest import config, fixtures
    from pluggy import _manager
    from types import FunctionType, ModuleType

    def may_be(name, value):
        if name.startswith("pytest_") or type(value).__module__.startswith("_pytest."):
            return True
        if isinstance(value, (type, ModuleType)):
            return False
        if type(value) is FunctionType or hasattr(type(value), "__wrapped__"):
            return any(hasattr(value, mark) for mark in ("_pytestfixturefunction", "__wrapped__", "pytest_impl"))
        return any(mark in getattr(value, "__dict__", ()) for mark in ("_pytestfixturefunction", "__wrapped__"))

    known = {}

    def names(*of):
        module, count, some = known.get(id(of[0]), (None, 0, ())) if len(of) == 1 else (None, 0, ())
        # One that has got another name meanwhile is looked at again.
        return list(some) if module is not None and len(vars(module)) == count else dir(*of)

    fixtures.dir = _manager.dir = names
    for name in ["_pytest." + each for each in config.default_plugins] + plugins:
        module = sys.modules.get(name)
        if type(module) is ModuleType:
            some = [each for each in dir(module) if may_be(each, vars(module).get(each))]
            known[id(module)] = (module, len(vars(module)), some)


class Spare:
    """A child that waits for its job, so that nobody waits for its fork."""

    def __init__(self, control, serve):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            control.close()
            made = ahead()
            # Its output is that of a run, never the server's.
            data, files, _, _ = socket.recv_fds(theirs, PACKET, 8)
            theirs.close()
            if not data:
                os._exit(0)
            serve(files, made)
        theirs.close()
        self.ours = ours
        self.file = os.pidfd_open(self.pid)

    def give(self, files):
        socket.send_fds(self.ours, [b"run"], files)
        self.ours.close()


def serve():
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.path[:] = [path for path in sys.path if path and os.path.realpath(path) != os.path.realpath(os.getcwd())]
    hello, files = receive(control)
    hello = job_of(files[0])
    begun = time.monotonic()
    loaded = preload(hello["names"], hello["root"])
    distributions = Distributions()
    warm_distributions(distributions)
    plugins = [point for each in distributions.kept for point in each.entry_points if point.group == "pytest11"]
    plugins = [point.value.split(":")[0] for point in plugins]
    loaded += preload(plugins, hello["root"])
    know_names(plugins)
    why = unfit(control) if hello["fork"] else "it may not fork"
    gc.collect()
    gc.freeze()
    send(control, ready={"loaded": len(loaded), "ms": round((time.monotonic() - begun) * 1000), "unfit": why})
    be = lambda files, made=None: be_the_run(files, loaded, distributions, made)
    if why is not None:
        while True:
            request, files = receive(control)
            if request is None:
                return
            if "imports" in request:
                answer_imports(files)
            else:
                send(control, forked=request["run"], pid=os.getpid())
                control.close()
                be(files)
    fork(control, be)


def answer_imports(files):
    out, asked = files
    with open(out, "wb") as out:
        for path in job_of(asked):
            out.write(json.dumps(dict(extract(path), path=path)).encode() + b"\n")


def take_orphans():
    """What a run leaves behind becomes our child, as prctl(2) has it, so that it can be ended."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    except Exception:
        pass


def end_orphans(ours):
    """Ends all children but these, and what becomes our child by that."""
    for _ in range(100):
        try:
            with open("/proc/self/task/%d/children" % os.getpid()) as children:
                left = {int(pid) for pid in children.read().split()} - ours
        except OSError:
            return
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                pass


def fork(control, be):
    take_orphans()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running, spare = {}, Spare(control, be)
    while True:
        for file, _ in poll.poll():
            if file != control.fileno():
                number, pid = running.pop(file)
                poll.unregister(file)
                os.close(file)
                _, status = os.waitpid(pid, 0)
                send(control, exited=number, status=os.waitstatus_to_exitcode(status))
                continue
            request, files = receive(control)
            if request is None:
                for _, pid in running.values():
                    try:
                        os.killpg(pid, signal.SIGKILL)
                    except OSError:
                        pass
                return
            if "imports" in request:
                answer_imports(files)
                continue
            # One that has died meanwhile is no help.
            if spare is None or os.waitpid(spare.pid, os.WNOHANG) != (0, 0):
                spare = Spare(control, be)
            spare.give(files)
            for given in files:
                os.close(given)
            running[spare.file] = (request["run"], spare.pid)
            poll.register(spare.file, select.POLLIN)
            send(control, forked=request["run"], pid=spare.pid)
            spare = None
        if not running:
            end_orphans({spare.pid} if spare else set())
            if spare is None:
                spare = Spare(control, be)


def cold():
    """One run in a process of its own: the job is in the file that is named first, events go to the second."""
    job = job_of(sys.argv[2])
    out = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    # As `python -m` has it.
    sys.path[:] = sys.path[1:] if sys.path[:1] == [""] else sys.path
    sys.exit(run(job, out))


if sys.argv[1] == "cold":
    cold()
elif sys.argv[1] == "serve":
    serve()
