//! Python tests: files that pytest collects, and its settings.

use super::{Draft, Look};
use crate::base::text::counted;
use crate::project::schema::{PytestPart, StagePart};

/// Files that hold pytest's settings, and what in them shows it.
const SETTINGS: [(&str, &str); 5] = [
    ("pytest.ini", ""),
    ("pytest.toml", ""),
    ("pyproject.toml", "[tool.pytest"),
    ("setup.cfg", "[tool:pytest]"),
    ("tox.ini", "[pytest]"),
];

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    let settings =
        SETTINGS.iter().find(|(file, mark)| look.text(file).is_some_and(|text| text.contains(mark)));
    let mut tests = look.files.iter().filter(|file| is_test(file));
    let Some(first) = tests.next() else {
        if let Some((file, _)) = settings {
            draft.tell(format!(
                "pytest is configured in {file}, and no file holds tests (test_*.py or *_test.py)"
            ));
        }
        return;
    };
    let more = match tests.count() {
        0 => String::new(),
        count => format!(" and {}", counted(count, "more test file")),
    };
    let settings = settings.map_or_else(String::new, |(file, _)| format!(", with the settings in {file}"));
    let part = StagePart { pytest: Some(PytestPart::default()), ..StagePart::default() };
    draft.add("pytest", "test", part, &format!("pytest, for {first}{more}{settings}"));
}

/// Whether pytest collects a file of this name as it is set up at first.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"))
}
