//! The ways in which repositories run their tests, with the real tools: tox, nox, Django, and FastAPI's own client.

use devboot::repos::testing::runner::Runner;
use devboot::repos::testing::verdict::Verdict;

use super::shapes::{GREEN, Shape};

const RED: (&str, &str) = ("test_red.py", "def test_b():\n    assert 1 == 2\n");

#[track_caller]
fn runs(shape: &Shape, runner: Runner) {
    let tested = shape.test();
    let log = || std::fs::read_to_string(&tested.log).unwrap_or_default();
    assert_eq!((tested.runner, &tested.verdict), (Some(runner), &Verdict::Passed { tests: 1 }), "{}", log());
    shape.write(&[RED]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::Failed { failed: 1, passed: 1, .. }), "{tested:?}");
    assert_eq!(tested.failing.len(), 1, "the report is read: {tested:?}");
}

#[test]
fn tox_runs_with_what_is_installed_and_leaves_nothing() {
    let ini = "[tox]\nenvlist = py\nskipsdist = true\n[testenv:py]\npass_env = HOME\n\
               allowlist_externals = pytest\ncommands = pytest\n";
    runs(&Shape::new(&[("tox.ini", ini), GREEN]), Runner::Tox);
    let toml = "[tool.tox]\nenv_list = ['py']\nno_package = true\n[tool.tox.env_run_base]\npass_env = ['HOME']\n\
                allowlist_externals = ['pytest']\ncommands = [['pytest']]\n";
    runs(&Shape::new(&[("pyproject.toml", toml), GREEN]), Runner::Tox);
}

#[test]
fn nox_runs_with_what_is_installed_and_leaves_nothing() {
    let file = "import nox\n\n@nox.session(venv_backend='none')\ndef tests(session):\n    session.run('pytest', external=True)\n";
    runs(&Shape::new(&[("noxfile.py", file), GREEN]), Runner::Nox);
}

#[test]
fn djangos_own_tests_are_run_and_read() {
    let manage = "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')\n\
                  from django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n";
    let settings = "SECRET_KEY = 'x'\nROOT_URLCONF = 'urls'\nINSTALLED_APPS = ['polls']\n\
                    DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n";
    let urls = "from django.http import HttpResponse\nfrom django.urls import path\n\
                urlpatterns = [path('', lambda request: HttpResponse('hi'))]\n";
    let tests = "from django.test import TestCase\nclass Page(TestCase):\n    def test_page(self):\n        \
                 self.assertEqual(self.client.get('/').content, b'hi')\n";
    let shape = Shape::new(&[
        ("manage.py", manage),
        ("settings.py", settings),
        ("urls.py", urls),
        ("polls/__init__.py", ""),
        ("polls/tests.py", tests),
    ]);
    let tested = shape.test();
    assert_eq!((tested.runner, &tested.verdict), (Some(Runner::Django), &Verdict::Passed { tests: 1 }));
    shape.write(&[("polls/tests.py", &tests.replace("b'hi'", "b'ho'"))]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::Failed { failed: 1, passed: 0, .. }), "{tested:?}");
    assert!(tested.failing[0].name.contains("test_page"), "{tested:?}");
}

#[test]
fn fastapi_is_asked_by_its_own_client() {
    let app = "from fastapi import FastAPI, Request\napp = FastAPI()\n@app.get('/')\ndef home(request: Request):\n    \
               assert request.headers['user-agent'] == 'testclient'\n    return {}\n";
    let shape = Shape::new(&[("main.py", app)]);
    let tested = shape.test();
    assert_eq!(tested.verdict, Verdict::Smoke { imported: 1, failed: 0, answered: Some(200) }, "{tested:?}");
    shape.write(&[("main.py", &app.replace("return {}", "return 1 / 0"))]);
    let tested = shape.test();
    assert_eq!(tested.verdict, Verdict::Smoke { imported: 1, failed: 0, answered: Some(500) });
    assert_eq!(tested.failure.unwrap().class, "app-answers-error");
}
