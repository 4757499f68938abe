"""Imports the modules of a repository without tests and asks its app for its first page.

Reads nothing, writes one JSON object to the file that is named first; the folder is the current one. Runs under
Python 3.6 and newer, on the standard library alone.
"""
import importlib
import io
import json
import os
import sys
import traceback

report, modules, apps = sys.argv[1], sys.argv[2].split(",") if sys.argv[2] else [], sys.argv[3].split(",")
found = {"imported": [], "failed": [], "talkative": [], "answered": None, "app": None}
sys.path.insert(0, os.getcwd())


def write():
    with open(report, "w") as out:
        json.dump(found, out)


def answer(app):
    """The status of the first page, by the framework's own test client."""
    if hasattr(app, "test_client"):
        return app.test_client().get("/").status_code
    if hasattr(app, "router"):
        try:
            from starlette.testclient import TestClient
        except (ImportError, RuntimeError):  # the client needs a package that the app does not
            return None
        return TestClient(app).get("/").status_code
    return None


for name in modules:
    said, out = io.StringIO(), sys.stdout
    sys.stdout = said
    try:
        module = importlib.import_module(name)
        found["imported"].append(name)
    except BaseException as error:  # a module may raise anything, SystemExit included
        module = None
        traceback.print_exc()
        last = traceback.format_exc().strip().splitlines()
        found["failed"].append([name, last[-1]])
    finally:
        sys.stdout = out
    if said.getvalue().strip():
        found["talkative"].append(name)
    if module is not None and found["answered"] is None:
        for attribute in apps:
            app = getattr(module, attribute, None)
            if app is None:
                continue
            try:
                status = answer(app)
            except BaseException as error:
                traceback.print_exc()
                found["failed"].append([name, "GET / of %s: %s: %s" % (attribute, type(error).__name__, error)])
                continue
            if status is not None:
                found["answered"], found["app"] = status, "%s.%s" % (name, attribute)
                break
    write()
write()
