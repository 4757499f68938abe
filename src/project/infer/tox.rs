//! tox and nox: tests in environments of their own.

use super::{Draft, Look, running};

/// A file, and what in it declares the tool.
type Declared = (&'static str, &'static str);

/// The tool, its command, and the files that declare it.
const TOOLS: [(&str, &str, &[Declared]); 2] = [
    (
        "tox",
        "tox",
        &[("tox.ini", "[testenv"), ("tox.ini", "[tox]"), ("tox.toml", ""), ("pyproject.toml", "[tool.tox")],
    ),
    ("nox", "nox --non-interactive", &[("noxfile.py", "nox")]),
];

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    for (tool, command, files) in TOOLS {
        let declared =
            files.iter().find(|(file, mark)| look.text(file).is_some_and(|text| text.contains(mark)));
        let Some((file, _)) = declared else { continue };
        if draft.has_pytest() {
            draft.tell(format!(
                "{file} declares {tool}, too: it builds environments of its own, and is left to you"
            ));
        } else if !(look.has)(tool) {
            draft.tell(format!("{file} declares {tool}, and {tool} is not installed"));
        } else {
            draft.add(tool, "test", running(command), &format!("`{command}`, which {file} declares"));
        }
    }
}
