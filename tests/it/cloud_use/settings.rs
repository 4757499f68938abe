//! What a profile of AWS's own files sets beside credentials holds in a switched shell too.

use super::{DEV, Home};
use crate::cloud_tokens::python;

const ASK: &str = "import boto3
s3, table = boto3.client('s3'), boto3.client('dynamodb')
print(s3.meta.config.s3, s3.meta.config.retries['mode'], s3.meta.config.retries['total_max_attempts'])
print(s3.meta.region_name, table.meta.endpoint_url)
print(boto3.client('sts').get_caller_identity()['Arn'])";

#[test]
fn what_a_profile_sets_beside_credentials_holds_for_aws_s_own_clients() {
    let home = Home::new();
    let config = home.world.text(".aws/config").replace(
        "[profile work]\n",
        "[profile work]\noutput = text\ncli_pager =\nretry_mode = adaptive\nmax_attempts = 7\nservices = mine\n\
         s3 =\n  addressing_style = path\n  max_concurrent_requests = 3\n",
    );
    home.world.write(
        ".aws/config",
        format!("{config}[services mine]\ndynamodb =\n  endpoint_url = http://127.0.0.1:9/tables\n"),
    );
    let python = python().display().to_string();
    home.world.write("ask.py", ASK);
    // No variable says where the server is: the profile's endpoint_url does.
    let asks = format!("{python} ask.py && aws sts get-caller-identity");
    let ran = home.shell("bash", &format!("devboot use dev && {asks}; cat $AWS_CONFIG_FILE")).exits(0);
    let mut said = ran.stdout.lines();
    let s3 = said.next().unwrap_or_default();
    assert!(s3.contains("'addressing_style': 'path'") && s3.ends_with("adaptive 7"), "{s3} {}", ran.stderr);
    assert_eq!(said.next(), Some("eu-central-1 http://127.0.0.1:9/tables"), "{}", ran.stdout);
    assert_eq!(said.next(), Some(DEV), "{}", ran.stdout);
    // As text, one line with tabs.
    let who = said.next().unwrap_or_default();
    assert!(who.contains(DEV) && who.contains('\t'), "{who}");
    let file: Vec<&str> = said.collect();
    assert!(file[0] == "[default]" && file[1].starts_with("credential_process = "), "{file:?}");
    for never in ["role_arn", "source_profile", "role_session_name", "aws_"] {
        assert!(!file[2..].iter().any(|line| line.contains(never)), "{never} {file:?}");
    }
}
