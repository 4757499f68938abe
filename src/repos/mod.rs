//! Repositories: clone, Python environment, tests.
