//! The lists of what is ignored that are kept outside of a project: of the directories above it in its repository, of the
//! repository, and the user's own. When one is saved, other files matter.

use std::path::{Path, PathBuf};

use crate::project::rules::Rules;
use crate::sys::content::{self, Look};
use crate::sys::events::Queue;

/// The lists as they were when the rules were read.
#[derive(Debug)]
pub(super) struct Outside {
    lists: Vec<List>,
}

#[derive(Debug)]
struct List {
    path: PathBuf,
    was: Option<Look>,
    /// The watch of its directory, where that can be watched.
    watch: Option<i32>,
}

impl Outside {
    /// Those of the project at `root`. The rules are read after this, so that no save falls between the two.
    pub fn of(root: &Path, queue: &mut Queue) -> Self {
        let list = |path: PathBuf| {
            let watch = path.parent().and_then(|dir| queue.add_for_saves(dir).ok());
            List { was: content::look(&path).ok(), path, watch }
        };
        Self { lists: Rules::outside(root).into_iter().map(list).collect() }
    }

    /// Whether a name in a watched directory is one of them.
    pub fn is_one(&self, watch: i32, name: &str) -> bool {
        self.lists
            .iter()
            .any(|list| list.watch == Some(watch) && list.path.file_name().is_some_and(|own| own == name))
    }

    /// Whether one is not what it was; not every directory can be watched.
    pub fn has_changed(&self) -> bool {
        self.lists.iter().any(|list| content::look(&list.path).ok() != list.was)
    }
}
