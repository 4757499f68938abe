//! One connection: hello, then requests in and frames out, until either end has enough.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event::{ClientId, Event};
use super::outbox::{Frame, Waiting};
use crate::base::text::printable;
use crate::ipc::conn::HANDSHAKE;
use crate::ipc::frame::{self, Decoder, FrameError};
use crate::ipc::message::{FromClient, FromService, Hello};

/// How long a client has to take one frame.
const TAKE: Duration = Duration::from_secs(20);

/// Serves a client until it goes; tells the loop what it asks for.
pub async fn serve(
    client: ClientId,
    stream: UnixStream,
    ours: Hello,
    waiting: Waiting,
    events: mpsc::Sender<Event>,
) {
    let why = converse(client, stream, ours, waiting, &events).await;
    let _ = events.send(Event::Gone { client, why }).await;
}

/// Returns what is worth a line in the log.
async fn converse(
    client: ClientId,
    stream: UnixStream,
    ours: Hello,
    waiting: Waiting,
    events: &mpsc::Sender<Event>,
) -> Option<String> {
    let (reader, mut writer) = stream.into_split();
    let mut reading = Reading { reader, decoder: Decoder::new(frame::REQUEST) };
    let greeting = frame::encode(&FromService::Hello(ours), frame::RESPONSE).ok()?;
    if !matches!(timeout(HANDSHAKE, writer.write_all(&greeting)).await, Ok(Ok(()))) {
        return Some("a client did not take our hello".into());
    }
    let hello = match timeout(HANDSHAKE, reading.next()).await {
        Ok(Ok(Some(body))) => match frame::decode(&body) {
            Ok(FromClient::Hello(hello)) => hello,
            Ok(FromClient::Request(_)) => return Some("a client said no hello".into()),
            Err(error) => return Some(garbage(&error)),
        },
        // Somebody looked whether we are here.
        Ok(Ok(None)) => return None,
        Ok(Err(error)) => return Some(garbage(&error)),
        Err(_) => return Some("a client said no hello in time".into()),
    };
    events.send(Event::Connected { client, hello }).await.ok()?;
    tokio::select! {
        why = listen(client, &mut reading, events) => why,
        why = write(&mut writer, waiting) => why,
    }
}

async fn listen(client: ClientId, reading: &mut Reading, events: &mpsc::Sender<Event>) -> Option<String> {
    loop {
        let body = match reading.next().await {
            Ok(Some(body)) => body,
            Ok(None) => return None,
            Err(error) => return Some(garbage(&error)),
        };
        let event = match frame::decode::<FromClient>(&body) {
            Ok(FromClient::Request(request)) => Event::Asked { client, request },
            Ok(FromClient::Hello(_)) => continue,
            // JSON that we do not know may be a later devboot's request; anything else is nobody's.
            Err(FrameError::Garbage(why)) if frame::decode::<serde_json::Value>(&body).is_ok() => {
                Event::NotUnderstood { client, why }
            }
            Err(error) => return Some(garbage(&error)),
        };
        events.send(event).await.ok()?;
    }
}

async fn write(writer: &mut OwnedWriteHalf, mut waiting: Waiting) -> Option<String> {
    while let Some(frame) = waiting.next().await {
        match timeout(TAKE, send(writer, &frame)).await {
            Ok(Ok(())) => waiting.written(&frame),
            // It has gone; its end of the connection says so, too.
            Ok(Err(_)) => return None,
            Err(_) => return Some("a client does not read; its connection is closed".into()),
        }
    }
    None
}

async fn send(writer: &mut OwnedWriteHalf, frame: &Frame) -> std::io::Result<()> {
    writer.write_all(frame).await
}

fn garbage(error: &FrameError) -> String {
    printable(&format!("a client sent {error}; its connection is closed"))
}

/// Frames out of a stream.
struct Reading {
    reader: OwnedReadHalf,
    decoder: Decoder,
}

impl Reading {
    /// The next frame's body; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(body) = self.decoder.next_body()? {
                return Ok(Some(body));
            }
            match self.reader.read(&mut buffer).await {
                Ok(0) | Err(_) if self.decoder.is_amid() => {
                    return Err(FrameError::Garbage("it ends in the middle".into()));
                }
                Ok(0) | Err(_) => return Ok(None),
                Ok(count) => self.decoder.add(&buffer[..count]),
            }
        }
    }
}
