//! When a service is ready, and whether its port is free for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::http;
use crate::base::time::span;
use crate::project::model::{HttpCheck, Ready, Service};
use crate::sys::web;

/// How often a port is tried: nothing tells when somebody begins or ceases to listen.
const AGAIN: Duration = Duration::from_millis(30);

/// How long one try may take.
const TRY: Duration = Duration::from_millis(500);

/// Waits until a service is ready; in the end, what was missing. `said` turns true when the text that it waits for was
/// in its output.
pub(super) async fn wait(service: &Service, mut said: watch::Receiver<bool>) -> Result<(), String> {
    let limit = service.ready_timeout;
    match &service.ready {
        None => Ok(()),
        Some(Ready::Http(check)) => {
            let check = HttpCheck { retry_for: limit, ..check.clone() };
            let asked = http::until_expected(&check).await;
            asked.map(drop).map_err(|why| format!("it was not ready within {}: {why}", span(limit)))
        }
        Some(Ready::Port(port)) => {
            let end = Instant::now() + limit;
            while !is_open(*port).await {
                if Instant::now() >= end {
                    return Err(format!(
                        "it was not ready within {}: nothing listens on port {port}",
                        span(limit)
                    ));
                }
                sleep(AGAIN).await;
            }
            Ok(())
        }
        Some(Ready::Log(text)) => {
            let said = timeout(limit, said.wait_for(|said| *said)).await.map(|said| said.is_ok());
            match said {
                Ok(true) => Ok(()),
                // It has ended: whoever waits for that says so.
                Ok(false) => std::future::pending().await,
                Err(_) => Err(format!("it was not ready within {}: it did not write '{text}'", span(limit))),
            }
        }
    }
}

/// Waits until nobody listens where a service is going to: what answers there would be taken for it.
pub(super) async fn port_is_free(service: &Service) -> Result<(), String> {
    let port = match &service.ready {
        Some(Ready::Port(port)) => Some(*port),
        Some(Ready::Http(check)) => web::local_port(&check.url),
        Some(Ready::Log(_)) | None => None,
    };
    let Some(port) = port else { return Ok(()) };
    let end = Instant::now() + service.ready_timeout;
    while is_open(port).await {
        if Instant::now() >= end {
            return Err(format!("another program listens on port {port}"));
        }
        sleep(AGAIN).await;
    }
    Ok(())
}

async fn is_open(port: u16) -> bool {
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        if matches!(timeout(TRY, TcpStream::connect((address, port))).await, Ok(Ok(_))) {
            return true;
        }
    }
    false
}
