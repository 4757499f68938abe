//! Asking the service for credentials, and a person for what only a person can give.

use std::collections::BTreeMap;

use super::command::daemon;
use super::context::Context;
use crate::base::error::{ErrorKind, Fault};
use crate::base::text::printable;
use crate::cloud::profiles::{self, Profiles};
use crate::ipc::cloud::{CloudRequest, CloudResponse, Hidden, VaultStatus};
use crate::ipc::message::{Request, Response};
use crate::sys::terminal;
use crate::ui::prompt;

/// How often the code of a device is asked for before it is given up.
const TRIES: usize = 3;

/// Asks the service, which is started where it does not run.
pub fn ask(context: &Context, request: CloudRequest) -> Result<CloudResponse, Fault> {
    match daemon::ensure(context)?.ask(Request::Cloud(request))? {
        Response::Cloud(response) => Ok(response),
        _ => Err(unexpected()),
    }
}

/// Asks for what needs no code.
pub fn vault(context: &Context, request: CloudRequest) -> Result<VaultStatus, Fault> {
    match ask(context, request)? {
        CloudResponse::Vault(status) => Ok(status),
        _ => Err(unexpected()),
    }
}

/// Asks, and asks a person at the terminal for the codes of MFA devices that turn out to be needed.
pub fn ask_with_codes(
    context: &Context,
    request: impl Fn(BTreeMap<String, Hidden>) -> CloudRequest,
) -> Result<CloudResponse, Fault> {
    let mut codes = BTreeMap::new();
    let mut tries = 0;
    loop {
        let answer = ask(context, request(codes.clone()));
        match answer {
            Ok(CloudResponse::Code(device)) => {
                let code = code(&device)?;
                codes.insert(device, code);
            }
            // A code that was mistyped, or that is over.
            Err(fault)
                if !codes.is_empty() && is_wrong_code(&fault) && tries < TRIES && terminal::can_ask() =>
            {
                tries += 1;
                context.printer.warn(&fault.one_line());
                codes.clear();
            }
            other => return other,
        }
    }
}

fn is_wrong_code(fault: &Fault) -> bool {
    fault.one_line().contains("MultiFactorAuthentication")
}

fn code(device: &str) -> Result<Hidden, Fault> {
    let device = printable(device);
    let question = format!("Code of {device}");
    let code = prompt::secret(
        &question,
        "a terminal; or seal the device's seed: devboot cloud add NAME --mfa DEVICE --stdin",
    )?;
    let code: String = code.expose().chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Hidden::new(code));
    }
    Err(Fault::new(ErrorKind::Usage, "a code has six digits"))
}

/// The credential profiles of this home.
pub fn profiles(context: &Context) -> Result<Profiles, Fault> {
    Ok(profiles::read(&context.system, &context.dirs.config)?)
}

/// What the service should not have answered.
pub fn unexpected() -> Fault {
    Fault::new(ErrorKind::Failed, "the service gave an answer that fits no question")
        .hint("devboot daemon restart")
}
