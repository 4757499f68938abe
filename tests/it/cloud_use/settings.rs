//! What a profile of AWS's own files sets beside credentials holds in a switched shell too.

use super::{DEV, Home};
use crate::cloud_tokens::python;

const ASK: &str = "import boto3
s3, table = boto3.client('s3'), boto3.client('dynamodb')
print(s3.meta.config.s3, s3.meta.config.retries['mode'], s3.meta.config.retries['total_max_attempts'])
print(s3.meta.region_name, table.meta.endpoint_url)
print(boto3.client('sts').get_caller_identity()['Arn'])";

fn home() -> Home {
    let home = Home::new();
    let config = home.world.text(".aws/config").replace(
        "[profile work]\n",
        "[profile work]\noutput = text\ncli_pager =\nretry_mode = adaptive\nmax_attempts = 7\nservices = mine\n\
         s3 =\n  addressing_style = path\n  max_concurrent_requests = 3\n  aws_secret_access_key = hush\n",
    );
    home.world.write(
        ".aws/config",
        format!(
            "{config}[services mine]\ndynamodb =\n  endpoint_url = http://127.0.0.1:9/tables\n\
             sqs =\n  endpoint_url = http://me:hush@127.0.0.1:9/queues\n  credential_process = hush\n"
        ),
    );
    home.world.write("ask.py", ASK);
    home
}

#[test]
fn what_a_profile_sets_beside_credentials_holds_for_aws_s_own_clients() {
    let home = home();
    let python = python().display().to_string();
    // No variable says where the server is: the profile's endpoint_url does.
    let asks = format!("{python} ask.py && aws sts get-caller-identity");
    for via in ["pointer", "endpoint"] {
        let script = format!("devboot use dev --via {via} && {asks}; cat $AWS_CONFIG_FILE");
        let ran = home.shell("bash", &script).exits(0).says("has a login in it and does not hold here");
        let mut said = ran.stdout.lines();
        let s3 = said.next().unwrap_or_default();
        assert!(
            s3.contains("'addressing_style': 'path'") && s3.ends_with("adaptive 7"),
            "{via} {s3} {}",
            ran.stderr
        );
        assert_eq!(said.next(), Some("eu-central-1 http://127.0.0.1:9/tables"), "{via} {}", ran.stdout);
        assert_eq!(said.next(), Some(DEV), "{via} {}", ran.stdout);
        // As text, one line with tabs.
        let who = said.next().unwrap_or_default();
        assert!(who.contains(DEV) && who.contains('\t'), "{via} {who}");
        let file: Vec<&str> = said.collect();
        let is_process = file[1].starts_with("credential_process = ");
        assert!(file[0] == "[default]" && is_process == (via == "pointer"), "{via} {file:?}");
        for never in ["role_arn", "source_profile", "role_session_name", "aws_", "hush", "credential"] {
            let of_user = &file[usize::from(is_process) + 1..];
            assert!(!of_user.iter().any(|line| line.contains(never)), "{via} {never} {file:?}");
        }
    }
}

#[test]
fn with_the_values_the_settings_are_those_of_the_users_own_default_profile() {
    let home = home();
    let config = home.world.text(".aws/config");
    home.world.write(
        ".aws/config",
        config.replace("[default]\n", "[default]\nretry_mode = standard\nmax_attempts = 4\n"),
    );
    let script = format!("devboot use dev --via value && {} ask.py", python().display());
    let ran = home.shell("bash", &script);
    let s3 = ran.stdout.lines().next().unwrap_or_default();
    assert!(!s3.contains("path") && s3.ends_with("standard 4"), "{}{}", ran.stdout, ran.stderr);
}
