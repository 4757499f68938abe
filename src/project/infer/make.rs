//! Makefiles: their `test` and `lint`, when they do something.

use super::{Draft, Look, running};
use crate::document::makefile::{Target, recipe, target};
use crate::document::recipe::{self, obstacle};

/// The names that make looks for, in its order.
pub const FILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    let Some((file, text)) = FILES.iter().find_map(|file| Some((file, look.text(file)?))) else { return };
    for name in ["test", "lint"] {
        match target(&text, name) {
            Target::Missing => {}
            Target::Empty => {
                draft.tell(format!("`make {name}` does nothing: its recipe has no command that can fail"))
            }
            Target::Real => real(look, draft, file, &text, name),
        }
    }
}

fn real(look: &Look<'_>, draft: &mut Draft, file: &str, text: &str, name: &str) {
    let commands = recipe(text, name);
    // What is installed changes; what the project's own files are is the question here.
    let looked = recipe::Look { exists: &|path| look.is_there(path), has: &|_| true, installed: &|_| true };
    if let Some(obstacle) = obstacle(&commands, &looked) {
        draft.tell(format!("no stage for `make {name}`, which cannot work: {}", obstacle.evidence));
    } else if !(look.has)("make") {
        draft.tell(format!("{file} has the target {name}, and make is not installed"));
    } else if name == "test" && draft.has_pytest() && commands.iter().all(|command| is_pytest(command)) {
        draft.tell("`make test` runs pytest, as the stage of pytest does; see its recipe for more arguments");
    } else {
        let command = format!("make {name}");
        draft.add("make", name, running(&command), &format!("`{command}`, a target of {file}"));
    }
}

fn is_pytest(command: &str) -> bool {
    command.split_whitespace().any(|word| word == "pytest" || word.ends_with("/pytest"))
}
