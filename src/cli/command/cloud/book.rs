//! The profiles' file and the vault, changed together: by one devboot at a time, and so that a failure leaves no secret behind
//! that no profile names.

use std::time::Duration;

use crate::base::error::{ErrorKind, Fault};
use crate::base::text::printable;
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::cloud::profiles::{self, Profiles};
use crate::ipc::cloud::{CloudRequest, Names, Seal};
use crate::sys::lock::{Lock, LockError};

/// The lock's name in the state directory.
const LOCK: &str = "cloud.lock";

/// How long another devboot may take that changes profiles.
const PATIENCE: Duration = Duration::from_secs(20);

/// The right to change the profiles, until it is dropped.
pub struct Book {
    _lock: Lock,
}

impl Book {
    /// Waits for the right to change them, and reads them as they are then. No question is asked while one has it.
    pub fn open(context: &Context) -> Result<(Self, Profiles), Fault> {
        context.own_home()?;
        context.prepare_state()?;
        super::make(&context.dirs.config)?;
        let path = context.dirs.state.join(LOCK);
        let lock = Lock::take_within(&path, PATIENCE).map_err(|error| match error {
            LockError::Held(pid) => {
                let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
                let words = format!("another devboot{who} is changing the credential profiles");
                Fault::new(ErrorKind::Failed, words).hint("try again in a moment")
            }
            LockError::Io(error) => {
                Fault::new(ErrorKind::Failed, format!("cannot use {}", path.display())).cause(error)
            }
        })?;
        Ok((Self { _lock: lock }, cloud_link::profiles(context)?))
    }

    /// Writes the profiles.
    pub fn write(&self, context: &Context, profiles: &Profiles) -> Result<(), Fault> {
        Ok(profiles::write(&context.system, &context.dirs.config, profiles)?)
    }

    /// Seals secrets, then writes the profiles that name them: a profile that names what is not there would be worse than a
    /// secret without a profile. When that fails, what is new in the vault is taken out again.
    pub fn save(&self, context: &Context, profiles: &Profiles, seals: Vec<Seal>) -> Result<(), Fault> {
        if seals.is_empty() {
            return self.write(context, profiles);
        }
        let before = cloud_link::vault(context, CloudRequest::Vault)?.names;
        let mut new = Vec::new();
        let seal_all = || -> Result<(), Fault> {
            for seal in seals {
                let name = seal.name.clone();
                cloud_link::vault(context, CloudRequest::Seal(seal))?;
                new.extend((!before.contains(&name)).then_some(name));
            }
            self.write(context, profiles)
        };
        let fault = match seal_all() {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        let hints: Vec<String> = new.iter().map(|name| orphan_hint(name)).collect();
        if new.is_empty() || cloud_link::vault(context, CloudRequest::Unseal(Names { names: new })).is_ok() {
            return Err(fault);
        }
        Err(hints.into_iter().fold(fault, Fault::hint))
    }
}

/// What to do about a secret that no profile names.
fn orphan_hint(name: &str) -> String {
    let name = printable(name);
    format!("{name} is sealed, and no profile names it: devboot cloud remove {name}")
}
