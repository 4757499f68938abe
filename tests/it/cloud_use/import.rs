//! Taking over what a home has: keys are sealed, taken out of AWS's files, and work as before; the files can be had back.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::{DEV, Home, PASSPHRASE};
use crate::world::{Ran, World};

const COMMENTS: &str = "# mine\r\n\r\n[plain]   ; the one\r\nregion = us-east-1\r\n";

/// A home in whose files stand the keys of `plain`, and a role `chained` by means of them.
fn home() -> (Home, String) {
    let home = Home::new();
    let url = home.moto.endpoint.url("");
    let url = url.trim_end_matches('/');
    let config = home.world.text(".aws/config");
    home.world.write(
        ".aws/config",
        format!(
            "{config}[profile plain]\nendpoint_url = {url}\n[profile chained]\nregion = eu-central-1\nendpoint_url = {url}\n\
             source_profile = plain\nrole_arn = arn:aws:iam::123456789012:role/dev\nrole_session_name = me@example\n\
             [profile $(touch pwned)]\nregion = x\n"
        ),
    );
    let keys = &home.moto.keys;
    let credentials = format!(
        "{COMMENTS}aws_access_key_id = {}\r\naws_secret_access_key = {}\r\n[other]\nregion = x\n",
        keys.access_key_id,
        keys.secret_access_key.expose()
    );
    home.world.write(".aws/credentials", &credentials).mode(".aws/credentials", 0o640);
    (home, credentials)
}

fn import(home: &Home, args: &[&str]) -> Ran {
    home.devboot(&[&["cloud", "import", "--from", "aws"], args].concat())
}

#[test]
fn keys_go_into_the_vault_and_a_chain_works_as_before() {
    let (home, before) = home();
    let secret = home.moto.keys.secret_access_key.expose().clone();
    let shown = import(&home, &["-n"]).exits(0).says("[plain]").says("passed over: [profile $(touch pwned)]");
    assert!(shown.stdout.contains("role dev") && shown.stdout.contains('…'), "{}", shown.stdout);
    assert!(!shown.stdout.contains(&home.moto.keys.access_key_id) && !shown.stdout.contains(&secret));
    assert_eq!(home.world.text(".aws/credentials"), before);
    assert!(!home.world.text(".config/devboot/cloud.toml").contains("[profile.plain"));

    let ran =
        import(&home, &["--yes"]).exits(0).says("sealed 2 secrets").says("as it was: devboot cloud restore");
    assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
    let after = home.world.text(".aws/credentials");
    assert_eq!(after, format!("{COMMENTS}[other]\nregion = x\n"));
    assert_eq!(fs::metadata(home.world.path(".aws/credentials")).unwrap().mode() & 0o777, 0o640);
    assert!(!home.world.text(".aws/config").contains("AKIADEFAULT"));
    assert!(!home.world.path("pwned").exists());
    assert_eq!(fs::read_dir(home.world.path(".aws")).unwrap().count(), 2);

    let script = format!("devboot use chained; python3 -c \"{}\"; devboot use --off", home.who());
    let ran = home.shell("bash", &script).exits(0);
    assert!(ran.stdout.contains(DEV), "{}{}", ran.stdout, ran.stderr);

    // Nothing is left to take over, and what is there is not made again.
    let again = import(&home, &["--yes"]).exits(0);
    assert!(!again.stdout.contains("to be sealed"), "{}", again.stdout);

    // A role that builds on keys which are in the vault now is found as before.
    let config = home.world.text(".aws/config");
    let role = config[config.find("[profile chained]").unwrap()..].split("[profile $").next().unwrap();
    home.world.write(".aws/config", format!("{config}{}", role.replace("chained", "later")));
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let _ = import(&home, &["-n"]).exits(0).says("passed over: [later]").says("devboot cloud unlock");
    home.unlock();
    let _ = import(&home, &["--yes"]).exits(0).says("1 profile made").says("devboot use later");
    let _ = home.devboot(&["cloud", "check", "later"]).exits(0).says("assumed-role/dev");

    let list = home.devboot(&["cloud", "restore"]).exits(0).stdout;
    let name = list.lines().find(|name| name.starts_with("credentials@")).unwrap();
    let restore = |more: &[&str]| {
        home.given(&[&["cloud", "restore", name, "--passphrase-stdin"], more].concat(), PASSPHRASE)
    };
    let _ = home.given(&["cloud", "restore", name, "--passphrase-stdin"], "wrong").exits(3);
    let _ = restore(&[]).exits(3).says("--yes");
    assert_eq!(home.world.text(".aws/credentials"), after);
    let mode = |path: &str| fs::metadata(home.world.path(path)).unwrap().mode() & 0o777;
    // Nothing with keys in it is written so that others can read it, whatever the file was before.
    let _ = restore(&["--to", "look"]).exits(0).says("(mode 640)").says("(mode 600)");
    assert_eq!((home.world.text("look"), mode("look")), (before.clone(), 0o600));
    home.world.mode("look", 0o644);
    let _ = restore(&["--to", "look"]).exits(0);
    assert_eq!(mode("look"), 0o600);
    home.world.mode(".aws/credentials", 0o400);
    let _ = restore(&["--yes"]).exits(0).says("(mode 400)");
    assert_eq!((home.world.text(".aws/credentials"), mode(".aws/credentials")), (before, 0o400));
    let _ = home.given(&["cloud", "restore", "nothing", "--passphrase-stdin"], PASSPHRASE).exits(64);
}

#[test]
fn what_is_not_ours_to_change_stays_and_is_said() {
    let (home, before) = home();
    let elsewhere = home.world.outside().join("credentials");
    fs::rename(home.world.path(".aws/credentials"), &elsewhere).unwrap();
    symlink(&elsewhere, home.world.path(".aws/credentials")).unwrap();
    let _ = import(&home, &["--yes"])
        .exits(0)
        .says("is a link to")
        .says("the plain text stays in ~/.aws/credentials");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), before);
    let _ = import(&home, &["--yes"]).exits(0).says("aws/plain is sealed already").says("--replace");
    // A profile that says something else stays, and the new one gets another name.
    let toml = home.world.text(".config/devboot/cloud.toml");
    assert!(toml.contains("[profile.plain.aws]"), "{toml}");
    home.world.write(".config/devboot/cloud.toml", toml.replace("profile = \"plain\"", "profile = \"base\""));
    let _ = import(&home, &["--yes", "--replace", "--keep-plain"]).exits(0).says("there is another 'plain'");
    let toml = home.world.text(".config/devboot/cloud.toml");
    assert!(toml.contains("[profile.plain-aws.aws]"), "{toml}");
}

#[test]
fn the_vault_is_asked_for_only_when_there_is_a_secret() {
    let world = World::new();
    world.write(".aws/config", "[profile sso]\nsso_start_url = https://x.example/start\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n");
    let _ = world.devboot(["cloud", "import", "--yes"]).exits(0).says("1 profile made");
    world.write(".aws/credentials", "[a]\naws_access_key_id = A\naws_secret_access_key = hush\n");
    let _ = world.devboot(["cloud", "import", "--yes"]).exits(3).says("devboot cloud init");
    assert!(world.text(".aws/credentials").contains("hush"));
    let _ = world.devboot(["daemon", "stop"]);

    let (home, before) = home();
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let _ = import(&home, &["--yes"]).exits(3).says("devboot cloud unlock");
    assert_eq!(home.world.text(".aws/credentials"), before);
    home.unlock();
    let _ = import(&home, &[]).exits(3).says("--yes");
}

#[test]
fn the_other_clouds_files_and_the_environment_are_taken_over() {
    let home = Home::new();
    let id = "11111111-2222-3333-4444-555555555555";
    let tenant = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    let adc = r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"1//hush","quota_project_id":"q"}"#;
    home.world
        .write(".config/gcloud/active_config", "work")
        .write(".config/gcloud/configurations/config_work", "[core]\naccount = me@x.org\nproject = p-1\n")
        .write(".config/gcloud/application_default_credentials.json", adc)
        .write(
            ".azure/azureProfile.json",
            format!(
                "\u{feff}{{\"subscriptions\":[{{\"id\":\"{id}\",\"name\":\"Pay As You Go\",\"tenantId\":\"{tenant}\",\
                 \"isDefault\":true,\"user\":{{\"name\":\"me@x.org\",\"type\":\"user\"}}}}]}}"
            ),
        );
    let mut command = home.world.command(crate::world::DEVBOOT);
    command.args(["--json", "cloud", "import", "--yes", "--from", "gcp", "--from", "azure", "--from", "env"]);
    command.envs([
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AZURE_CLIENT_ID", id),
        ("AZURE_TENANT_ID", tenant),
        ("AZURE_CLIENT_SECRET", "hush"),
    ]);
    let ran = Ran::of(command.output().unwrap()).exits(0);
    assert!(!ran.stdout.contains("hush") && !ran.stdout.contains("AKIAIOSFODNN7EXAMPLE"));
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["written"], serde_json::json!(["work", "adc", "Pay-As-You-Go", "env", "principal"]));
    assert_eq!(told["sealed"], serde_json::json!(["gcp/adc", "aws/env", "azure/principal"]));
    assert_eq!(home.world.text(".config/gcloud/application_default_credentials.json"), adc);
    let _ = home.devboot(&["cloud", "show", "work"]).exits(0).says("configuration = \"work\"");
    let _ = home.devboot(&["cloud", "show", "principal"]).exits(0).says("sealed = \"principal\"");
}

#[test]
fn a_subscription_of_the_azure_cli_is_the_one_that_az_takes() {
    let home = Home::new();
    let (one, two) = ("11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552");
    let tenant = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    let entry = |id: &str, name: &str, default: bool| {
        format!(
            "{{\"id\":\"{id}\",\"name\":\"{name}\",\"tenantId\":\"{tenant}\",\"isDefault\":{default},\"state\":\"Enabled\",\
             \"environmentName\":\"AzureCloud\",\"user\":{{\"name\":\"me@x.org\",\"type\":\"user\"}}}}"
        )
    };
    let list =
        format!("\u{feff}{{\"subscriptions\":[{},{}]}}", entry(one, "One", true), entry(two, "Two", false));
    home.world.write(".azure/azureProfile.json", &list).write(".azure/msal_token_cache.json", "{}");
    let _ = home.devboot(&["cloud", "import", "--yes", "--from", "azure"]).exits(0);
    let default = "python3 -c 'import json, os
at = os.environ.get(\"AZURE_CONFIG_DIR\", os.path.expanduser(\"~/.azure\")) + \"/\"
all = json.load(open(at + \"azureProfile.json\", encoding=\"utf-8-sig\"))[\"subscriptions\"]
print([one[\"name\"] for one in all if one[\"isDefault\"]], os.path.realpath(at + \"msal_token_cache.json\"))'";
    let script = format!("devboot use Two; {default}; devboot use --off; {default}");
    let ran = home.shell("bash", &script).exits(0).says("me@x.org").says("not verified");
    let cache = home.world.path(".azure/msal_token_cache.json");
    let cache = cache.display();
    assert_eq!(ran.stdout, format!("['Two'] {cache}\n['One'] {cache}\n"));
    assert_eq!(home.world.text(".azure/azureProfile.json"), list);
    // Another tenant than the profile is for.
    let config = home.world.text(".config/devboot/cloud.toml");
    home.world.write(".config/devboot/cloud.toml", config.replace(tenant, &tenant.replace('a', "b")));
    let _ = home.devboot(&["cloud", "check", "Two"]).exits(4).says("the profile is for");
}

#[test]
fn a_service_principal_under_terraform_s_names_is_taken_over() {
    let home = Home::new();
    let id = "11111111-2222-3333-4444-555555555555";
    let run = |args: &[&str]| {
        let mut command = home.command(crate::world::DEVBOOT);
        command.args(["cloud", "import"]).args(args).env("ARM_CLIENT_ID", id).env("ARM_TENANT_ID", id);
        command.env("ARM_CLIENT_SECRET", "hush~1").env("ARM_SUBSCRIPTION_ID", id);
        command.env("AZURE_CLIENT_CERTIFICATE_PATH", "/c.pem").env("GOOGLE_CREDENTIALS", "hush~1");
        let ran = Ran::of(command.output().unwrap()).exits(0);
        assert!(!ran.stdout.contains("hush~1") && !ran.stderr.contains("hush~1"), "{}", ran.stdout);
        ran
    };
    for from in [["-n", "--from", "env"].as_slice(), &["-n"]] {
        let ran = run(from).says("passed over: AZURE_CLIENT_CERTIFICATE_PATH");
        let ran = ran.says("passed over: GOOGLE_CREDENTIALS");
        assert_eq!(ran.stdout.matches("service principal 1111…5555").count(), 1, "{}", ran.stdout);
    }
    let _ = run(&["--from", "env", "--yes"]).says("sealed 1 secret").says("ARM_CLIENT_SECRET");
    let shown = home.devboot(&["cloud", "show", "principal"]).exits(0).stdout;
    assert!(shown.contains(id) && !shown.contains("hush~1"), "{shown}");
}

/// Runs devboot on a terminal and answers the questions in their order, each when its words are there.
const TERMINAL: &str = "import json, os, pty, sys\n\
    answers = json.loads(sys.argv[1])\n\
    pid, fd = pty.fork()\n\
    if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])\n\
    out, begun = b'', 0\n\
    while True:\n\
    \x20   try: data = os.read(fd, 4096)\n\
    \x20   except OSError: break\n\
    \x20   if not data: break\n\
    \x20   out += data\n\
    \x20   if answers and answers[0][0].encode() in out[begun:]:\n\
    \x20       begun = len(out)\n\
    \x20       os.write(fd, answers.pop(0)[1].encode())\n\
    sys.stdout.write(out.decode())\n\
    sys.exit(9 if answers else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";

#[test]
fn a_person_says_what_is_taken_away() {
    let (home, before) = home();
    let key = include_str!("../cloud_tokens/key.pem");
    let robot = serde_json::json!({
        "type": "service_account", "project_id": "p-1", "private_key_id": "0123456789abcdef", "private_key": key,
        "client_email": "robot@p-1.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string();
    home.world.write("robot.json", &robot).mode("robot.json", 0o600);
    let asked = |answers: &[(&str, &str)], args: &[&str]| {
        let mut command = home.command("python3");
        let answers = serde_json::to_string(answers).unwrap();
        command.args(["-c", TERMINAL, &answers, crate::world::DEVBOOT, "cloud", "import"]).args(args);
        command.env("TERM", "xterm").env("GOOGLE_APPLICATION_CREDENTIALS", home.world.path("robot.json"));
        Ran::of(command.output().unwrap())
    };
    let from = ["--from", "aws", "--from", "gcp", "--replace"];
    let _ = asked(&[("and seal 3 secrets?", "n")], &from);
    assert!(!home.world.text(".config/devboot/cloud.toml").contains("robot"));
    let (make, take, remove) = ("and seal 3 secrets?", "out of ~/.aws/", "Remove the key file ~/robot.json?");
    let _ = asked(&[(make, "y"), (take, "n"), (take, "n"), (remove, "n")], &from)
        .exits(0)
        .says("you wanted it so");
    assert_eq!(
        (home.world.text(".aws/credentials"), home.world.text("robot.json")),
        (before.clone(), robot.clone())
    );
    // Without a person at the terminal a key file stays: other programs may use it.
    let _ = asked(&[], &["--from", "gcp", "--replace", "--yes"]).exits(0).says("other programs may use it");
    assert_eq!(home.world.text("robot.json"), robot);
    let _ = asked(&[(make, "y"), (take, "n"), (take, "y"), (remove, "y")], &from).exits(0);
    assert!(
        home.world.text(".aws/config").contains("AKIADEFAULT") && !home.world.path("robot.json").exists()
    );
    assert_eq!(home.world.text(".aws/credentials"), format!("{COMMENTS}[other]\nregion = x\n"));
    let list = home.devboot(&["cloud", "restore"]).exits(0).stdout;
    let name = list.lines().find(|name| name.starts_with("robot.json@")).unwrap();
    let _ = home.given(&["cloud", "restore", name, "--passphrase-stdin"], PASSPHRASE).exits(0);
    assert_eq!(home.world.text("robot.json"), robot);
    let mode = fs::metadata(home.world.path("robot.json")).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600);
}
