//! Talking to a server about a clone: what it offers, what we want, and then its pack. git's protocol, version 0, as
//! every server knows it; the packets are gix-packetline's.

use std::io::{self, BufRead, BufReader, Write};
use std::ops::ControlFlow;

use git2::Oid;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use gix_packetline::PacketLineRef;
use gix_packetline::blocking_io::{StreamingPeekableIter, encode};

use super::link::Link;
use super::reference::Advertised;
use super::wire::Subtransport;

type Stream = BufReader<Box<dyn SmartSubtransportStream>>;

/// A server that has said what it offers.
pub(super) struct Conversation {
    way: Subtransport,
    is_stateless: bool,
    lines: StreamingPeekableIter<Stream>,
    capabilities: Vec<String>,
    /// The references that the server offers.
    pub(super) offered: Vec<Advertised>,
}

/// A pack on its way.
pub(super) struct Transfer {
    lines: StreamingPeekableIter<Stream>,
    /// The commits whose parents the server leaves out.
    pub(super) shallow: Vec<Oid>,
    /// What the server complained about instead of sending the rest, as it said it.
    pub(super) complaint: Option<String>,
}

/// How many bytes of a stream are read at once.
const BUFFER: usize = 64 * 1024;

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Conversation {
    /// Asks for the references. `None` when the server has something that libgit2 must see to: another hash than
    /// SHA-1, a repository that is cut off itself, packs that come without a band for complaints.
    pub(super) fn open(link: &Link) -> io::Result<Option<Self>> {
        let way = link.way();
        let lines = packets(start(&way, Service::UploadPackLs)?);
        let (is_stateless, capabilities, offered) = (link.is_stateless(), Vec::new(), Vec::new());
        let mut this = Self { way, is_stateless, lines, capabilities, offered };
        Ok(this.listen()?.then_some(this))
    }

    fn listen(&mut self) -> io::Result<bool> {
        let mut next = line(&mut self.lines)?;
        if next.as_ref().is_some_and(|line| line.starts_with("# service=")) {
            line(&mut self.lines)?;
            next = line(&mut self.lines)?;
        }
        while let Some(text) = next {
            let (text, more) = text.split_once('\0').unwrap_or((&text, ""));
            self.capabilities.extend(more.split(' ').map(str::to_owned));
            let (oid, name) = text.split_once(' ').ok_or_else(|| bad("the server offers no references"))?;
            if oid == "shallow" {
                return Ok(false);
            }
            let oid = Oid::from_str(oid).map_err(|_| bad("the server offers no references"))?;
            if name != "capabilities^{}" {
                let symref = self.symref(name);
                self.offered.push(Advertised { name: name.to_owned(), oid, symref });
            }
            next = line(&mut self.lines)?;
        }
        let sha1 =
            self.capabilities.iter().all(|one| !one.starts_with("object-format=") || one.ends_with("=sha1"));
        Ok(self.offered.is_empty() || sha1 && self.can("side-band-64k"))
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|one| one == capability)
    }

    fn symref(&self, name: &str) -> Option<String> {
        let stands_for = |one: &String| {
            Some(one.strip_prefix("symref=")?.strip_prefix(name)?.strip_prefix(':')?.to_owned())
        };
        self.capabilities.iter().find_map(stands_for)
    }

    /// Whether the server can leave history out.
    pub(super) fn can_be_shallow(&self) -> bool {
        self.can("shallow")
    }

    /// Asks for an object that is offered, with `depth` commits of history or all.
    pub(super) fn ask(self, wanted: Oid, depth: Option<u32>) -> io::Result<Transfer> {
        let mut text = format!("want {wanted} side-band-64k");
        for capability in ["ofs-delta", "no-progress"].into_iter().filter(|one| self.can(one)) {
            text.push(' ');
            text.push_str(capability);
        }
        if depth.is_some() {
            text.push_str(" shallow");
        }
        let mut request = Vec::new();
        encode::text_to_write(text.as_bytes(), &mut request)?;
        if let Some(depth) = depth {
            encode::text_to_write(format!("deepen {}", depth.max(1)).as_bytes(), &mut request)?;
        }
        encode::flush_to_write(&mut request)?;
        encode::text_to_write(b"done", &mut request)?;
        let mut stream = match self.is_stateless {
            true => start(&self.way, Service::UploadPack)?,
            false => self.lines.into_inner(),
        };
        stream.get_mut().write_all(&request)?;
        stream.get_mut().flush()?;
        let mut lines = packets(stream);
        let mut shallow = Vec::new();
        while depth.is_some()
            && let Some(text) = line(&mut lines)?
        {
            let cut = text.strip_prefix("shallow ").and_then(|oid| Oid::from_str(oid).ok());
            shallow.push(cut.ok_or_else(|| bad("the server does not say where history is cut"))?);
        }
        if line(&mut lines)?.as_deref() != Some("NAK") {
            return Err(bad("the server does not answer what was asked"));
        }
        Ok(Transfer { lines, shallow, complaint: None })
    }
}

impl Transfer {
    /// The bytes of the pack, to the end of what the server sends.
    pub(super) fn pack(&mut self) -> impl BufRead {
        let complaint = &mut self.complaint;
        self.lines.as_read_with_sidebands(move |is_complaint, text| {
            if is_complaint {
                *complaint = Some(String::from_utf8_lossy(text).into_owned());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    }
}

fn start(way: &Subtransport, service: Service) -> io::Result<Stream> {
    let stream = way.action("", service).map_err(|error| io::Error::other(error.message().to_owned()))?;
    Ok(BufReader::with_capacity(BUFFER, stream))
}

fn packets(stream: Stream) -> StreamingPeekableIter<Stream> {
    let mut lines = StreamingPeekableIter::new(stream, &[PacketLineRef::Flush], false);
    lines.fail_on_err_lines(true);
    lines
}

/// The next line, without its end; `None` is a flush, and what comes next is behind it.
fn line(lines: &mut StreamingPeekableIter<Stream>) -> io::Result<Option<String>> {
    let Some(packet) = lines.read_line() else {
        lines.reset();
        return Ok(None);
    };
    match packet?.map_err(io::Error::other)? {
        PacketLineRef::Data(bytes) => {
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
        }
        _ => Err(bad("the server speaks another version of git's protocol")),
    }
}
