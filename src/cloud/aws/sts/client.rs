//! Sending the calls: signed, sent once, and once more with the right time when the clock was the trouble.

use std::sync::atomic::{AtomicI64, Ordering};

use super::reply::{Credentials, Identity, Leaves};
use super::{Call, Mfa, assume_role, caller_identity, session_token, web_identity};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::aws::call::{CallError, Outgoing, Refusal, Waiting, exchange, unreadable};
use crate::cloud::aws::endpoint::Endpoint;
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::aws::profile::{Role, WebIdentity};
use crate::cloud::aws::sigv4::{Keys, Scope, Unsigned, sign};
use crate::cloud::skew::Skew;
use crate::sys::http::Method;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The Security Token Service at one server.
#[derive(Debug)]
pub struct Sts {
    endpoint: Endpoint,
    waiting: Waiting,
    clock: fn() -> Timestamp,
    /// The seconds that the server's clock is ahead, as the last answer told.
    skew: AtomicI64,
}

impl Sts {
    /// The service at `endpoint`; `clock` is this machine's.
    pub fn new(endpoint: Endpoint, waiting: Waiting, clock: fn() -> Timestamp) -> Self {
        Self { endpoint, waiting, clock, skew: AtomicI64::new(0) }
    }

    /// How far this machine's clock is from the server's.
    pub fn skew(&self) -> Skew {
        Skew(self.skew.load(Ordering::Relaxed))
    }

    /// Assumes a role, with the code of its MFA device where it has one.
    ///
    /// # Errors
    /// A value is outside AWS's limits, AWS refuses, or no answer of AWS comes; so for every call here.
    pub fn assume_role(
        &self,
        keys: &Keys,
        role: &Role,
        code: Option<&Secret<String>>,
    ) -> Result<AwsLease, CallError> {
        self.lease(&assume_role(role, code)?, Some(keys))
    }

    /// A session of a user's own, which can carry the proof of an MFA device.
    pub fn session(
        &self,
        keys: &Keys,
        duration: Option<u32>,
        mfa: Option<&Mfa<'_>>,
    ) -> Result<AwsLease, CallError> {
        self.lease(&session_token(duration, mfa)?, Some(keys))
    }

    /// Assumes a role with a token of another identity provider.
    pub fn web_identity(&self, web: &WebIdentity, token: &Secret<String>) -> Result<AwsLease, CallError> {
        self.lease(&web_identity(web, token)?, None)
    }

    /// Whose keys they are.
    pub fn identity(&self, keys: &Keys) -> Result<Identity, CallError> {
        self.send(&caller_identity(), Some(keys), Leaves::identity)
    }

    fn lease(&self, call: &Call, keys: Option<&Keys>) -> Result<AwsLease, CallError> {
        let Credentials { keys, expiration, account } = self.send(call, keys, Leaves::credentials)?;
        let expiration = Some(self.skew().ours(expiration));
        Ok(AwsLease { keys, account, obtained: (self.clock)(), expiration })
    }

    fn send<T>(
        &self,
        call: &Call,
        keys: Option<&Keys>,
        read: fn(&Leaves) -> Option<T>,
    ) -> Result<T, CallError> {
        let mut used = self.skew();
        let mut again = keys.is_some();
        loop {
            match self.send_once(call, keys, used, read) {
                Err(CallError::Refused(refusal)) => {
                    let missed = Skew(refusal.skew.0.saturating_sub(used.0));
                    if !(again && missed.explains(&refusal.code)) {
                        return Err(CallError::Refused(Refusal { skew: missed, ..refusal }));
                    }
                    (again, used) = (false, refusal.skew);
                }
                result => return result,
            }
        }
    }

    fn send_once<T>(
        &self,
        call: &Call,
        keys: Option<&Keys>,
        skew: Skew,
        read: fn(&Leaves) -> Option<T>,
    ) -> Result<T, CallError> {
        let endpoint = &self.endpoint;
        let path = format!("{}/", endpoint.base);
        let body = call.body.expose().as_bytes();
        let headers = [("host", endpoint.host.as_str()), ("content-type", FORM)];
        let request = Unsigned { method: "POST", path: &path, query: &[], headers: &headers, body };
        let scope = Scope { region: &endpoint.region, service: "sts" };
        let signature = keys.map(|keys| sign(&request, keys, scope, skew.theirs((self.clock)())));
        let outgoing = Outgoing {
            host: endpoint.host.clone(),
            url: endpoint.url("/"),
            method: Method::Post(FORM, body.to_vec()),
            accept: "text/xml",
            headers: signature.unwrap_or_default(),
        };
        let answer = exchange(outgoing, self.waiting, self.clock)?;
        let measured = answer.skew.unwrap_or(skew);
        self.skew.store(measured.0, Ordering::Relaxed);
        if answer.status >= 500 {
            return Err(unreadable(&answer));
        }
        let leaves = Leaves::of(answer.body.expose());
        if let Some((code, message)) = leaves.as_ref().and_then(Leaves::error) {
            return Err(CallError::Refused(Refusal::new(call.action, code, message, measured)));
        }
        let found = leaves.filter(|_| answer.status == 200).as_ref().and_then(read);
        found.ok_or_else(|| unreadable(&answer))
    }
}
