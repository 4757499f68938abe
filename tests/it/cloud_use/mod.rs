//! `devboot use` and `devboot cloud`, with real shells and AWS's own clients against a server that checks signatures.

mod chain;
mod console;
mod current;
mod doors;
mod exact;
mod fuzz;
mod guard;
mod here;
mod import;
mod keys;
mod login;
mod offline;
mod pins;
mod profiles;
mod prompt;
mod servers;
mod settings;
mod shells;
mod vault;

use std::io::Write;
use std::process::{Command, Stdio};

use crate::cloud_aws::moto::Moto;
use crate::world::{DEVBOOT, Ran, World, path_variable};

const PASSPHRASE: &str = "correct horse battery";

/// A home that is set up, with an open vault and three profiles: `base` (sealed keys), `dev` (a role by means of them), and
/// `prod`, the same role guarded.
pub struct Home {
    pub world: World,
    pub moto: Moto,
}

impl Home {
    pub fn new() -> Self {
        let home = Self { world: World::new(), moto: Moto::start() };
        let url = home.moto.endpoint.url("");
        let url = url.trim_end_matches('/');
        home.world.write(
            ".aws/config",
            format!(
                "[default]\nregion = eu-west-1\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = wrong\n\
                 [profile base]\nregion = us-east-1\nendpoint_url = {url}\n\
                 [profile work]\nregion = eu-central-1\nendpoint_url = {url}\nsource_profile = base\n\
                 role_arn = arn:aws:iam::123456789012:role/dev\nrole_session_name = me@example\n\
                 [profile locked]\nregion = eu-central-1\nendpoint_url = {url}\nsource_profile = base\n\
                 role_arn = arn:aws:iam::123456789012:role/locked\n"
            ),
        );
        home.world.write(".bashrc", "").write(".zshrc", "").write(".config/fish/config.fish", "");
        home.world.write("../profile.toml", "[aliases]\nhi = 'echo hi'\n");
        let profile = home.world.outside().join("profile.toml");
        let args =
            ["setup", "--yes", "--offline", "--skip", "service", "--profile", profile.to_str().unwrap()];
        let _ = home.world.devboot(args).exits(0);
        let _ = home.given(&["cloud", "init", "--passphrase-stdin"], PASSPHRASE).exits(0);
        home.unlock();
        let keys = &home.moto.keys;
        let lines = format!(
            "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\n",
            keys.access_key_id,
            keys.secret_access_key.expose()
        );
        let _ = home.given(&["cloud", "add", "base", "--stdin"], &lines).exits(0);
        let add = |more: &[&str]| {
            let _ = home.world.devboot([&["cloud", "add"], more].concat()).exits(0);
        };
        add(&["dev", "--aws-profile", "work", "--account", "123456789012"]);
        add(&["prod", "--aws-profile", "work", "--guard", "prod", "--minutes", "5"]);
        home
    }

    pub fn unlock(&self) {
        let _ = self.given(&["cloud", "unlock", "--passphrase-stdin"], PASSPHRASE).exits(0);
    }

    /// Runs devboot with something on its standard input.
    #[must_use]
    pub fn given(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.world.command(DEVBOOT);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that refuses does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::of(child.wait_with_output().unwrap())
    }

    #[must_use]
    pub fn devboot(&self, args: &[&str]) -> Ran {
        self.world.devboot(args)
    }

    /// A program that finds devboot.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program);
        let dir = std::path::Path::new(DEVBOOT).parent().unwrap().to_str().unwrap().to_owned();
        command.env("PATH", format!("{dir}:{}", path_variable()));
        command
    }

    /// Runs a script in an interactive shell of the home.
    #[must_use]
    pub fn shell(&self, shell: &str, script: &str) -> Ran {
        Ran::of(self.command(shell).args(["-ic", script]).output().unwrap())
    }

    /// A line of Python that asks boto3 who it is.
    pub fn who(&self) -> String {
        let url = self.moto.endpoint.url("");
        format!("import boto3; print(boto3.client('sts', endpoint_url='{url}').get_caller_identity()['Arn'])")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.world.devboot(["daemon", "stop"]);
    }
}

pub const DEV: &str = "arn:aws:sts::123456789012:assumed-role/dev/me@example";
