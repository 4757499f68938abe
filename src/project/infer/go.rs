//! Go: `go test ./...`.

use super::{Draft, Look, running};

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    if look.text("go.mod").is_none() {
        return;
    }
    match look.files.iter().find(|file| file.ends_with("_test.go")) {
        Some(test) => {
            draft.add("go", "test", running("go test ./..."), &format!("`go test ./...`, for {test}"))
        }
        None => draft.tell("go.mod is there, and no file holds tests (*_test.go)"),
    }
}
