//! Pipelines with the real program and without the service: stages once, their reasons, their bad days, and watching.

mod bad_stages;
mod flask;
mod stages;
mod watch;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::world::{LONG, Ran, World, lives, until};

/// A home with one project in it.
struct Project {
    world: World,
}

impl Project {
    /// With this `devboot.toml`, trusted.
    fn new(pipeline: &str) -> Self {
        let project = Self { world: World::new() };
        project.write("devboot.toml", pipeline);
        let _ = project.devboot(&["project", "trust", "--yes", "p"]).exits(0);
        project
    }

    fn write(&self, below: &str, text: &str) -> &Self {
        self.world.write(&format!("p/{below}"), text);
        self
    }

    fn path(&self, below: &str) -> PathBuf {
        self.world.path("p").join(below)
    }

    fn text(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    #[must_use]
    fn devboot(&self, args: &[&str]) -> Ran {
        self.world.devboot(args)
    }

    #[must_use]
    fn run(&self, args: &[&str]) -> Ran {
        self.devboot(&[&["run", "--no-service", "-C", "p"], args].concat())
    }

    #[must_use]
    fn why(&self) -> Ran {
        self.devboot(&["why", "-C", "p"])
    }
}
