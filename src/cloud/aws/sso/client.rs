//! Sending the requests of OIDC server and portal, and the two ways to sign in from their beginning to their end.

use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

use super::SignInError;
use super::cache::CachedToken;
use super::callback::Callback;
use super::device::{DeviceFlow, Step};
use super::oidc::{self, Grant, Registration, Token, TokenTrouble, Way};
use super::pkce::{Pkce, REGISTERED};
use super::portal::{self, Account, Page};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::aws::call::{Answer, CallError, Outgoing, Refusal, Waiting, exchange, unreadable};
use crate::cloud::aws::endpoint::Endpoint;
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::aws::profile::SsoSource;
use crate::cloud::skew::Skew;
use crate::sys::http::Method;

const JSON: &str = "application/json";

/// The most pages of a list that are asked for.
const PAGES: usize = 100;

/// IAM Identity Center at its two servers.
#[derive(Debug)]
pub struct Sso {
    /// The OIDC server.
    pub oidc: Endpoint,
    /// The portal.
    pub portal: Endpoint,
    /// How long a call may take.
    pub waiting: Waiting,
    /// This machine's clock.
    pub clock: fn() -> Timestamp,
}

impl Sso {
    /// Begins a sign-in by device code. What the flow says is shown to a person; then [`Sso::confirmed`] waits.
    ///
    /// # Errors
    /// A call fails, or the page to show is no web address.
    pub fn start_device(&self, source: &SsoSource) -> Result<(Registration, DeviceFlow), SignInError> {
        let client = self.register(source, Way::Device)?;
        let body = oidc::start_device(&client, &source.start_url);
        let answer = self.post("StartDeviceAuthorization", "/device_authorization", &body)?;
        let flow = DeviceFlow::read(answer.body.expose(), (self.clock)());
        let flow = flow.ok_or_else(|| unreadable(&answer))??;
        Ok((client, flow))
    }

    /// Asks until the code is confirmed or over. `pause` waits, and ends the sign-in when it returns false.
    ///
    /// # Errors
    /// A call fails, or the person says no or nothing.
    pub fn confirmed(
        &self,
        source: &SsoSource,
        client: Registration,
        mut flow: DeviceFlow,
        mut pause: impl FnMut(Duration) -> bool,
    ) -> Result<CachedToken, SignInError> {
        let mut wait = flow.first_wait();
        loop {
            if !pause(wait) {
                return Err(SignInError::Denied);
            }
            let answer = match self.token(&client, Grant::Device(&flow.device_code)) {
                Ok(token) => Ok(token),
                Err(CallError::Refused(refusal)) => match TokenTrouble::of(&refusal.code) {
                    Some(trouble) => Err(trouble),
                    None => return Err(CallError::Refused(refusal).into()),
                },
                Err(error) => return Err(error.into()),
            };
            match flow.after(answer, (self.clock)()) {
                Step::Wait(time) => wait = time,
                Step::Done(token) => return Ok(cached(source, client, token)),
                Step::Over(error) => return Err(error),
            }
        }
    }

    /// Signs in with a browser on this machine: `open` shows it the page; the person has until `deadline`.
    ///
    /// # Errors
    /// A call fails, nothing can be listened on, or the browser brings no code in time.
    pub fn with_browser(
        &self,
        source: &SsoSource,
        deadline: Instant,
        open: impl FnOnce(&Secret<String>),
    ) -> Result<CachedToken, SignInError> {
        let callback = Callback::listen().map_err(SignInError::Callback)?;
        let mut random = [0; 64];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| SignInError::Callback(std::io::Error::other("the system gives no random bytes")))?;
        let pkce = Pkce::new(&random, callback.port());
        let client = self.register(source, Way::Browser(REGISTERED))?;
        open(&pkce.page(&self.oidc, &client.client_id, &source.scopes));
        let (redirect, verifier) = (pkce.redirect.clone(), pkce.verifier.clone());
        let code = callback.wait(pkce, deadline)?;
        let token = self.token(&client, Grant::Code(&code, &redirect, &verifier))?;
        Ok(cached(source, client, token))
    }

    /// The next token of a sign-in, by its refresh token; `None` when it has none or nobody to ask as.
    ///
    /// # Errors
    /// The call fails.
    pub fn refreshed(&self, old: &CachedToken) -> Result<Option<CachedToken>, CallError> {
        let (Some(client), Some(refresh)) = (&old.client, &old.token.refresh) else { return Ok(None) };
        let token = self.token(client, Grant::Refresh(refresh))?;
        Ok(Some(old.renewed(token)))
    }

    /// The credentials of the source's role.
    ///
    /// # Errors
    /// The call fails.
    pub fn role_credentials(&self, token: &Token, source: &SsoSource) -> Result<AwsLease, CallError> {
        let path = portal::credentials_path(&source.account, &source.role);
        let answer = self.get("GetRoleCredentials", token, &path)?;
        let skew = answer.skew.unwrap_or_default();
        let lease = portal::read_credentials(answer.body.expose(), &source.account, (self.clock)(), skew);
        lease.ok_or_else(|| unreadable(&answer))
    }

    /// All accounts that the token opens.
    ///
    /// # Errors
    /// A call fails.
    pub fn accounts(&self, token: &Token) -> Result<Vec<Account>, CallError> {
        self.list("ListAccounts", token, portal::accounts_path, portal::read_accounts)
    }

    /// The names of all roles that the token opens in an account.
    ///
    /// # Errors
    /// A call fails.
    pub fn roles(&self, token: &Token, account: &str) -> Result<Vec<String>, CallError> {
        self.list("ListAccountRoles", token, |next| portal::roles_path(account, next), portal::read_roles)
    }

    /// Makes the token worthless.
    ///
    /// # Errors
    /// The call fails.
    pub fn sign_out(&self, token: &Token) -> Result<(), CallError> {
        self.send("Logout", &self.portal, "/logout", Some(token), Some("{}")).map(drop)
    }

    fn list<T>(
        &self,
        action: &'static str,
        token: &Token,
        path: impl Fn(Option<&str>) -> String,
        read: fn(&[u8]) -> Option<Page<T>>,
    ) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let answer = self.get(action, token, &path(next.as_deref()))?;
            let page = read(answer.body.expose()).ok_or_else(|| unreadable(&answer))?;
            all.extend(page.entries);
            next = page.next.filter(|next| !next.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(all)
    }

    fn register(&self, source: &SsoSource, way: Way<'_>) -> Result<Registration, CallError> {
        let body = oidc::register(&source.scopes, &source.start_url, way);
        let answer = self.post("RegisterClient", "/client/register", &body)?;
        oidc::read_registration(answer.body.expose()).ok_or_else(|| unreadable(&answer))
    }

    fn token(&self, client: &Registration, grant: Grant<'_>) -> Result<Token, CallError> {
        let answer = self.post("CreateToken", "/token", &oidc::token(client, grant))?;
        oidc::read_token(answer.body.expose(), (self.clock)()).ok_or_else(|| unreadable(&answer))
    }

    fn post(&self, action: &'static str, path: &str, body: &Secret<String>) -> Result<Answer, CallError> {
        self.send(action, &self.oidc, path, None, Some(body.expose()))
    }

    fn get(&self, action: &'static str, token: &Token, path: &str) -> Result<Answer, CallError> {
        self.send(action, &self.portal, path, Some(token), None)
    }

    /// The answer, when it is one of success.
    fn send(
        &self,
        action: &'static str,
        endpoint: &Endpoint,
        path: &str,
        token: Option<&Token>,
        body: Option<&str>,
    ) -> Result<Answer, CallError> {
        let bearer = token.map(|token| ("x-amz-sso_bearer_token", token.access.expose().clone()));
        let outgoing = Outgoing {
            host: endpoint.host.clone(),
            url: endpoint.url(path),
            method: body.map_or(Method::Get, |body| Method::Post(JSON, body.as_bytes().to_vec())),
            accept: JSON,
            headers: bearer.into_iter().collect(),
        };
        let answer = exchange(outgoing, self.waiting, self.clock)?;
        match answer.status {
            200..300 => Ok(answer),
            400..500 => match oidc::read_error(answer.body.expose()) {
                Some((code, words)) => {
                    let skew = answer.skew.unwrap_or(Skew(0));
                    Err(CallError::Refused(Refusal::new(action, &code, &words, skew)))
                }
                None => Err(unreadable(&answer)),
            },
            _ => Err(unreadable(&answer)),
        }
    }
}

fn cached(source: &SsoSource, client: Registration, token: Token) -> CachedToken {
    CachedToken {
        start_url: source.start_url.clone(),
        region: source.region.clone(),
        token,
        client: Some(client),
    }
}
