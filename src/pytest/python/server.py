"""The warm side of a project's pytest: a process that has imported pytest and what the project's tests import from elsewhere,
never the project itself, and that runs nothing. For each run it forks. Where it must not fork it runs one job and ends.

File 0 is a socket: requests of one length come with files, answers go as lines of JSON. `reporter.py` and `imports.py` stand before this
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
REQUEST = 64
SECONDS = 3
# So many seconds has what a run leaves behind to end by itself: when the next run is asked for, and when none is.
GRACE, LONG = 0.1, 1
# After so many milliseconds in which nobody asks for anything a child is made that waits for the next run.
REST = 20
PROG = "python -m pytest"
# Of what pytest is made, and what it uses of the standard library in each run.
PYTEST = """_pytest pytest pluggy iniconfig packaging pygments argparse ast builtins codecs collections contextlib dataclasses enum fnmatch functools
genericpath importlib inspect io itertools json linecache logging operator os pathlib posixpath re reprlib shlex tempfile textwrap
threading time tokenize traceback types typing unittest warnings weakref zipfile""".split()


def receive(control):
    data, files, _, _ = socket.recv_fds(control, REQUEST, 8)
    return (json.loads(data) if data else None), files


def send(control, **answer):
    control.sendall(json.dumps(answer).encode() + b"\n")


def job_of(file):
    with open(file, "rb") as job:
        return json.load(job)


def preload(names, root):
    """Imports what is not the project's; the names that could be imported."""
    root = os.path.realpath(root) + os.sep
    loaded = []
    import warnings

    with warnings.catch_warnings(), rewritten():
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


class rewritten:
    """While it is entered, the modules of plugins are imported with their asserts rewritten, as pytest itself imports them."""

    def __enter__(self):
        self.hook = None
        try:
            from _pytest import assertion, config

            hook = self.hook = assertion.install_importhook(config.get_config())
            hook._must_rewrite.update(plugin_modules(config._iter_rewritable_modules))
            # pytest looks at names of tests, too, which are no business of what is installed.
            hook.fnpats = []
        except Exception:
            pass

    def __exit__(self, *_):
        if self.hook in sys.meta_path:
            sys.meta_path.remove(self.hook)


def plugin_modules(modules_of):
    """The names of what is installed with plugins of pytest."""
    found = set()
    for each in importlib.metadata.distributions():
        if any(point.group == "pytest11" for point in each.entry_points):
            found.update(modules_of(str(file) for file in each.files or ()))
    return found


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
        self.find_one = importlib.metadata.distribution
        self.kept = [Kept(found) for found in self.find()]
        self.named = {each.metadata["Name"]: each for each in reversed(self.kept) if each.is_asked_for()}

    def __call__(self, **context):
        if context:
            return self.find(**context)
        # A project may have its own metadata beside it.
        return list(self.find(path=[os.getcwd()])) + self.kept

    def one(self, name):
        """What importlib.metadata.distribution gives."""
        if name not in self.named or list(self.find(name=name, path=[os.getcwd()])):
            return self.find_one(name)
        return self.named[name]


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

    @property
    def version(self):
        return self.metadata["Version"]

    def is_asked_for(self):
        """Whether each run asks for it: pytest, what it is made of, and its plugins."""
        names = ("pytest", "pluggy")
        is_plugin = any(point.group == "pytest11" for point in self.entry_points)
        if is_plugin:
            self.files
        return is_plugin or os.path.basename(str(getattr(self.found, "_path", ""))).split("-")[0] in names

    def __getattr__(self, name):
        return getattr(self.found, name)


class Known:
    """What is the same in every run of this process. It is made before the first fork: to make it later would copy the memory that it
    looks at."""

    def __init__(self, loaded, distributions, begun, excused):
        self.distributions = distributions
        self.stamps = {}
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str):
                # What was saved while it was imported may have been imported before.
                is_late = name not in excused and begun <= changed_at(path) <= time.time()
                self.stamps[path] = (name, () if is_late else stamp_of(path))
        self.loaded = [name for name in loaded if not name.startswith(("pytest", "_pytest"))]
        self.hidden = {each for name in loaded for each in (name.split(".")[0], name.split(".")[0] + ".py")}
        self.modules = set(sys.modules)
        self.last = next(reversed(sys.modules))
        self.written = []
        try:
            from _pytest.config import _iter_rewritable_modules

            self.rewritten = plugin_modules(_iter_rewritable_modules)
        except Exception:
            self.rewritten = set(self.loaded)
        self.prefixes = tuple({os.path.realpath(path) + os.sep for path in (sys.prefix, os.path.dirname(os.__file__))})


def stamp_of(path):
    """What changes when a file is written."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def changed_at(path):
    try:
        return os.stat(path).st_ctime
    except (OSError, ValueError):
        return 0


def check(control, known, runs):
    """Tells whether a module is another one now than when it was imported, and whether it was so when all were imported: some write
    themselves anew then. Whether there is one."""
    found = next(((name, stamp) for path, (name, stamp) in known.stamps.items() if stamp_of(path) != stamp), None)
    for run in runs:
        send(control, checked=run, edited=found and found[0], late=found is not None and found[1] == ())
    return found is not None


def know_files():
    """The first failure in a process looks for the file of each module, to find the source that it shows; inspect keeps what it has found."""
    try:
        inspect.getmodule(compile("", "<none>", "exec"))
    except Exception:
        pass


def begin_anew():
    """A process that was forked takes random numbers of its own, and looks for modules by itself."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    importlib.invalidate_caches()


def forget_places(known):
    """What is installed stays as it was for as long as this process may be used; all other places are looked at again."""
    for path in list(sys.path_importer_cache):
        if not path.startswith(known.prefixes):
            del sys.path_importer_cache[path]


def be_the_run(files, known, made):
    """Becomes a run of pytest in this process, and ends with its exit code."""
    out, err, events, job = files
    pid = os.getpid()
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
    shadowed = known.hidden.intersection(os.listdir("."))
    is_package = lambda name: name.endswith(".py") or os.path.isfile(os.path.join(name, "__init__.py"))
    if any(is_package(name) for name in shadowed):
        leave(events, "a file of the project hides a module")
    forget_places(known)
    from _pytest.assertion.rewrite import AssertionRewritingHook

    importlib.metadata.distributions = known.distributions
    importlib.metadata.distribution = known.distributions.one
    # They were imported before pytest could rewrite their asserts; in a cold run it could, and would say nothing.
    warn = AssertionRewritingHook._warn_already_imported
    ours = known.modules

    def imported_already(self, name):
        if name not in ours:
            warn(self, name)
        elif name in known.loaded and name not in known.rewritten:
            leave(events, "asserts of %s are to be rewritten, which is imported ahead" % name)

    AssertionRewritingHook._warn_already_imported = imported_already
    job["warm"], job["loaded"], job["last"] = ours, known.loaded, known.last
    use(made)
    code = run(job, events)
    try:
        import atexit
        import threading

        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        if os.getpid() == pid:
            # To take a large process apart takes a while, for which nobody has to wait.
            os.write(events, json.dumps({"event": "gone", "code": code}).encode() + b"\n")
    finally:
        os._exit(code)


def leave(events, why):
    """This process would answer otherwise than a new one: another one does it."""
    os.write(events, json.dumps({"event": "unfit", "why": why}).encode() + b"\n")
    os._exit(1)


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
    """pytest looks at every name of every plugin in each run, for hooks and for fixtures. Modules and classes that are there already do
    not change, so it is known which of their names can be neither: it is given the others alone."""
    from _pytest import config, fixtures
    from pluggy import _manager
    from types import FunctionType, MethodType, ModuleType

    def is_strange(of_class):
        """Whether its instances may stand for something else, or have names that nobody sees."""
        asked = (of_class.get("__getattr__"), of_class.get("__getattribute__"))
        return "__wrapped__" in of_class or "_get_wrapped_function" in of_class or FunctionType in map(type, asked)

    def kinds(name, value):
        """Whether it may be a hook, and whether it may be a fixture. It is looked at from outside alone: a thing that makes itself when it is
        asked for must not do so here."""
        of = type(value)
        if of in (staticmethod, classmethod, MethodType):
            value = value.__func__
            of = type(value)
        if issubclass(of, (type, ModuleType)):
            return name.startswith("pytest_"), False
        if of is FunctionType:
            own = vars(value)
            return name.startswith("pytest_") or bool(own), any(mark in own for mark in ("_pytestfixturefunction", "__wrapped__"))
        if of.__module__ != "typing" and any(is_strange(vars(base)) for base in of.__mro__[:-1]):
            return True, True
        try:
            own = object.__getattribute__(value, "__dict__")
        except AttributeError:
            own = ()
        return name.startswith("pytest_"), any(mark in own for mark in ("_pytestfixturefunction", "__wrapped__"))

    class Names:
        """Those of a module or a class."""

        def __init__(self, of, found):
            self.of = of
            self.size = self.size_now()
            self.all = set(found)
            known = [(name, kinds(name, value)) for name, value in found.items()]
            self.some = [{name for name, may_be in known if may_be[kind]} for kind in (0, 1)]

        def size_now(self):
            return sum([len(vars(each)) for each in getattr(self.of, "__mro__", (self.of,))])

        def asked(self, kind, of, own):
            if self.size == self.size_now():
                return sorted(self.some[kind].union(own))
            # It has got other names meanwhile.
            now = set(dir(of))
            return sorted(self.some[kind].union(own, now - self.all) & now)

    modules, classes = {}, {}

    def names(kind):
        def names(*of):
            known = modules.get(id(of[0])) if len(of) == 1 else None
            if known is not None and known.of is of[0]:
                return known.asked(kind, of[0], ())
            try:
                known = classes.get(type(of[0])) if len(of) == 1 else None
            except TypeError:  # its class says that it cannot be looked up
                known = None
            return dir(*of) if known is None else known.asked(kind, of[0], vars(of[0]))

        return names

    def know_class(each):
        # What has a say in its own names is asked each time.
        if each.__dir__ is not object.__dir__ or hasattr(each, "__getattr__") or "__dict__" not in dir(each):
            return
        found = {}
        for base in reversed(each.__mro__):
            for name, value in vars(base).items():
                # What pytest itself computes when it is asked for is neither.
                found[name] = None if type(value) is property and base.__module__.startswith("_pytest.") else value
        classes[each] = Names(each, found)

    def know_module(module, name):
        own = vars(module)
        # One that makes its names when they are asked for is asked each time.
        if "__getattr__" not in own and "__dir__" not in own:
            modules[id(module)] = Names(module, {each: own[each] for each in dir(module) if each in own})
        for each in list(own.values()):
            if type(each) is type and each.__module__ == name:
                know_class(each)

    _manager.dir, fixtures.dir = names(0), names(1)
    know_class(Reporter)
    for name in ["_pytest." + each for each in config.default_plugins] + ["_pytest.config"] + plugins:
        module = sys.modules.get(name)
        if type(module) is ModuleType:
            try:
                know_module(module, name)
            except Exception:
                modules.pop(id(module), None)


def written(names):
    """What a run of pytest writes on, if only by counting references: all that these modules and packages hold. Each page of it is copied
    when it is first written on after a fork, which takes a fifth of the time to a first test."""
    from types import CodeType, FunctionType, MethodType

    holders = (dict, tuple, list, set, type, FunctionType, MethodType, CodeType, property, staticmethod, classmethod)
    is_ours = lambda name: isinstance(name, str) and name.split(".")[0] in names
    todo = [module for name, module in list(sys.modules.items()) if is_ours(name)]
    found, seen = [], set()
    while todo:
        each = todo.pop()
        inner = [each.co_consts, *each.co_names] if isinstance(each, CodeType) else gc.get_referents(each)
        for value in inner:
            if id(value) in seen:
                continue
            seen.add(id(value))
            found.append(value)
            # Not on to the modules that they import.
            name = value.get("__name__") if type(value) is dict else vars(value).get("__module__") if issubclass(type(value), type) else None
            if issubclass(type(value), holders) and (name is None or is_ours(name)):
                todo.append(value)
    return found


class Spare:
    """A child that waits for its job, so that nobody waits for its fork."""

    def __init__(self, control, serve, known, others=()):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            control.close()
            # Whoever holds them keeps the others waiting for ever.
            for other in others:
                other.put_away()
            begin_anew()
            made = ahead()
            # Who is asked already has no time for it.
            if not select.select([theirs], [], [], 0)[0]:
                for _ in known.written:
                    pass
            # Its output is that of a run, never the server's.
            data, files, _, _ = socket.recv_fds(theirs, REQUEST, 8)
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

    def put_away(self):
        self.ours.close()
        os.close(self.file)


def serve():
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.path[:] = [path for path in sys.path if path and os.path.realpath(path) != os.path.realpath(os.getcwd())]
    hello, files = receive(control)
    hello = job_of(files[0])
    begun, since = time.monotonic(), time.time()
    loaded = preload(hello["names"], hello["root"])
    distributions = Distributions()
    plugins = [point for each in distributions.kept for point in each.entry_points if point.group == "pytest11"]
    plugins = [point.value.split(":")[0] for point in plugins]
    loaded += preload(plugins, hello["root"])
    know_names(plugins)
    know_files()
    why = hello["apart"] or unfit(control)
    known = Known(loaded, distributions, since, hello["excused"])
    if why is None:
        try:
            known.written = written({name.split(".")[0] for name in [*PYTEST, *plugins]})
        except Exception:
            known.written = []
    gc.collect()
    gc.freeze()
    send(control, ready={"loaded": len(loaded), "ms": round((time.monotonic() - begun) * 1000), "unfit": why})
    be = lambda files, made=None: be_the_run(files, known, made)
    if why is not None:
        made = ahead()
        while True:
            request, files = receive(control)
            if request is None:
                return
            if "imports" in request:
                answer_imports(control, files)
            else:
                send(control, forked=request["run"], pid=os.getpid())
                if check(control, known, [request["run"]]):
                    return
                control.close()
                begin_anew()
                be(files, made)
    fork(control, be, known)


def answer_imports(control, files):
    send(control, took=True)
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


def is_asked(control):
    """Whether a request waits. That nobody will ask any more is none."""
    try:
        return bool(control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False


def is_tracker(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as command:
            return b"multiprocessing.resource_tracker" in command.read()
    except OSError:
        return False


def end_orphans(ours, control):
    """Ends all children but these, and what becomes our child by that. What tidies up after a run, as multiprocessing has it, gets time to
    end by itself: less when a run is asked for."""
    begun = time.monotonic()
    while True:
        try:
            with open("/proc/self/task/%d/children" % os.getpid()) as children:
                left = {int(pid) for pid in children.read().split()} - ours
        except OSError:
            return
        if not left:
            return
        took, asked = time.monotonic() - begun, is_asked(control)
        for pid in left:
            # The one process that removes shared memory which tests have left begins slowly on a busy machine, and ends by itself.
            is_over = took >= (10 * LONG if is_tracker(pid) else GRACE if asked else LONG)
            try:
                if is_over:
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0 if is_over else os.WNOHANG)
            except OSError:
                pass
        time.sleep(GRACE / 100)


def fork(control, be, known):
    take_orphans()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running, spares = {}, [Spare(control, be, known)]
    taken, spared, most = 0, 1, 1 + (os.cpu_count() or 1)
    unchecked = []
    waits = None
    while True:
        happened = poll.poll(waits)
        for file, _ in happened:
            if file != control.fileno():
                number, pid = running.pop(file)
                poll.unregister(file)
                os.close(file)
                _, status = os.waitpid(pid, 0)
                send(control, exited=number, status=os.waitstatus_to_exitcode(status))
                continue
            request, files = receive(control)
            if request is None:
                for file, (_, pid) in running.items():
                    # One that is about to go leaves to its helpers what they have to tidy up.
                    last = select.poll()
                    last.register(file, select.POLLIN)
                    try:
                        if not last.poll(GRACE * 1000):
                            os.killpg(pid, signal.SIGKILL)
                        os.waitpid(pid, 0)
                    except OSError:
                        pass
                for spare in spares:
                    os.kill(spare.pid, signal.SIGKILL)
                    os.waitpid(spare.pid, 0)
                return end_orphans(set(), control)
            if "imports" in request:
                answer_imports(control, files)
                continue
            # One that has died meanwhile is no help.
            while spares and os.waitpid(spares[-1].pid, os.WNOHANG) != (0, 0):
                spares.pop().put_away()
            spare = spares.pop() if spares else Spare(control, be, known, spares)
            spare.give(files)
            for given in files:
                os.close(given)
            running[spare.file] = (request["run"], spare.pid)
            poll.register(spare.file, select.POLLIN)
            send(control, forked=request["run"], pid=spare.pid)
            taken += 1
            unchecked.append(request["run"])
        # While it runs, and all of them: nobody waits for this.
        if unchecked and not is_asked(control):
            check(control, known, unchecked)
            unchecked = []
        waits = None
        if not running:
            if taken:
                end_orphans({spare.pid for spare in spares}, control)
                # As many as were asked for until there was time for this, and one less each time that fewer were.
                spared, taken = min(max(taken, spared - 1), most), 0
            while len(spares) > spared:
                spare = spares.pop(0)
                os.kill(spare.pid, signal.SIGKILL)
                os.waitpid(spare.pid, 0)
                spare.put_away()
            # When nobody has asked for a while, and one at a time: a run that is asked for meanwhile has the processors.
            if len(spares) < spared and not happened:
                spares.append(Spare(control, be, known, spares))
            if len(spares) < spared:
                waits = REST


def cold():
    """One run in a process of its own: the job is in the file that is named first, events go to the second."""
    job = job_of(sys.argv[2])
    out = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    # As `python -m` has it.
    sys.path[:] = sys.path[1:] if sys.path[:1] == [""] else sys.path
    sys.exit(run(job, out, sys.argv[3]))


if sys.argv[1] == "cold":
    cold()
elif sys.argv[1] == "serve":
    serve()
