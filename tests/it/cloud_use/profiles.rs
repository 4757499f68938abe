//! The profiles' file and the vault, which are changed together; and what a profile may say.

use std::fs;

use super::Home;

const KEYS: &str = "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=hush\n";

#[test]
fn profiles_that_are_added_at_the_same_time_are_all_there() {
    let home = Home::new();
    let names: Vec<String> = (1..=8).map(|at| format!("par{at}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| home.given(&["cloud", "add", name, "--stdin"], KEYS).exits(0).says("is there"));
        }
    });
    let list = home.devboot(&["cloud", "list"]).exits(0).stdout;
    let status = home.devboot(&["cloud", "status"]).exits(0).stdout;
    for name in &names {
        assert!(list.contains(name.as_str()), "{list}");
        assert!(status.contains(&format!("aws/{name}\n")), "{status}");
    }
}

#[test]
fn no_secret_is_left_that_no_profile_names_and_one_that_is_can_be_removed() {
    let home = Home::new();
    // No profile can be written while this is there.
    let barrier = home.world.path(".config/devboot/.cloud.toml.tmp");
    fs::create_dir(&barrier).unwrap();
    let _ = home.given(&["cloud", "add", "new", "--stdin"], KEYS).exits(1).says("cloud.toml");
    let _ = home.devboot(&["cloud", "remove", "base", "--yes"]).exits(1).says("cloud.toml");
    fs::remove_dir(&barrier).unwrap();
    let status = home.devboot(&["cloud", "status"]).exits(0).stdout;
    assert!(!status.contains("aws/new") && status.contains("aws/base"), "{status}");
    // The profile goes while the vault is locked, and its secret later.
    let _ = home.given(&["cloud", "add", "new", "--stdin"], KEYS).exits(0);
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let _ = home.devboot(&["cloud", "remove", "new", "--yes"]).exits(0).says("devboot cloud remove new");
    let _ = home.devboot(&["cloud", "remove", "new", "--yes"]).exits(64).says("the vault is locked");
    home.unlock();
    let status = home.devboot(&["cloud", "status"]).exits(0).stdout;
    assert!(status.contains("aws/new  (no profile names it: devboot cloud remove aws/new)"), "{status}");
    assert!(status.contains("aws/base\n"), "{status}");
    let json = home.devboot(&["--json", "cloud", "status"]).exits(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["unused"], serde_json::json!(["aws/new"]));
    let _ = home.devboot(&["cloud", "remove", "new", "--yes"]).exits(0).says("removed 'new'");
    assert!(!home.devboot(&["cloud", "status"]).exits(0).stdout.contains("aws/new"));
    // What a profile names is not removed under the vault's name of it.
    let _ = home.devboot(&["cloud", "remove", "aws/base", "--yes"]).exits(64).says("is used by 'base'");
    let _ = home.devboot(&["cloud", "remove", "nothing", "--yes"]).exits(64).says("no credential profile");
}
