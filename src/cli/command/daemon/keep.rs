//! `devboot daemon keep`: what runs the service where no systemd and no launchd does.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::sys::detach::{self, End};
use crate::sys::lock::Lock;
use crate::sys::{signal, socket};

/// A service that is killed more often than this within [`SPAN`] has a reason to die.
const DEATHS: usize = 3;
const SPAN: Duration = Duration::from_secs(60);

/// So long a service that was started again stays, though it knows of nothing to do: whoever relied on the first may come late.
const PATIENCE: Duration = Duration::from_secs(8 * 3600);

/// How long the keeper of a service that has ended has to go.
const BEFORE: Duration = Duration::from_secs(1);

/// Runs the service until it ends by itself. One that is killed, as by a system that is short of memory, is there again at
/// once: tools that were pointed to it, and projects that it keeps, do not wait for somebody at a prompt. The first is heard by
/// whoever started us.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let place = super::place(context);
    let own = super::own(context)?;
    // Held as long as we are here, for whoever wants an end of it. Without it we are of use all the same.
    let _here =
        socket::private_dir(&place.run_dir()).ok().map(|()| Lock::take_within(&place.keeper(), BEFORE));
    let mut deaths = VecDeque::new();
    let mut more = Vec::new();
    loop {
        let words = ["daemon", "run", "--detached"].map(OsString::from);
        let arguments: Vec<OsString> = own.arguments.iter().cloned().chain(words).chain(more).collect();
        let end = detach::run_until_its_end(&own.program, &arguments)
            .map_err(|error| Fault::new(ErrorKind::Failed, "cannot start the service").cause(error))?;
        match end {
            End::Killed(signal) if !signal::interrupted() && is_worth_it(&mut deaths, Instant::now()) => {
                let patience = PATIENCE.as_secs().to_string();
                more = ["--after-signal", &signal.to_string(), "--idle-exit", &patience]
                    .map(OsString::from)
                    .into();
            }
            End::Killed(_) => return Ok(Exit::Failed),
            End::Itself => return Ok(Exit::Done),
        }
    }
}

/// Whether another one has a chance after the death `now`.
fn is_worth_it(deaths: &mut VecDeque<Instant>, now: Instant) -> bool {
    deaths.push_back(now);
    while deaths.front().is_some_and(|death| now.duration_since(*death) > SPAN) {
        deaths.pop_front();
    }
    deaths.len() <= DEATHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_dies_again_and_again_is_left_alone_and_who_dies_now_and_then_is_not() {
        let mut deaths = VecDeque::new();
        let begun = Instant::now();
        let mut dies = |seconds| is_worth_it(&mut deaths, begun + Duration::from_secs(seconds));
        assert_eq!([0, 30, 61, 92, 123].map(&mut dies), [true; 5]);
        assert_eq!([124, 125, 126].map(dies), [true, false, false]);
    }
}
