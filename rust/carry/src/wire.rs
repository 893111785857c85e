//! Frames <-> bytes.  A frame is the plaintext of one WireGuard transport message.
//!
//! First nibble 4 or 6: a plain IP packet, as every WireGuard peer sends it.  First nibble 1: a
//! frame of ours.  Anything else, and any kind unknown here, is for the caller to count and ignore.
//! All integers are big-endian.  Plaintexts may carry zero padding behind the content
//! (WireGuard whitepaper section 5.4.6), so every frame states or implies its own length.

/// Octets of the header every frame starts with: kind, path, class, zero, path sequence, time.
pub const HEADER_BYTES: usize = 12;

/// Octets in front of the IP packet of a source frame.
pub const SOURCE_BYTES: usize = HEADER_BYTES + 4;

/// Octets of a probe before padding.
pub const PROBE_BYTES: usize = HEADER_BYTES + 4;

/// Octets of an echo.
pub const ECHO_BYTES: usize = HEADER_BYTES + 12;

/// Octets of a hello.
pub const HELLO_BYTES: usize = HEADER_BYTES + 10;

/// Most paths a report speaks of.
pub const MAX_PATHS: usize = 16;

/// Octets of one path's line in a report.
pub const PATH_LINE_BYTES: usize = 24;

/// Octets of the longest report.
pub const REPORT_MAX_BYTES: usize = HEADER_BYTES + 1 + MAX_PATHS * PATH_LINE_BYTES;

/// Version of the frame layer that this crate speaks.
pub const VERSION: u8 = 1;

const MARK: u8 = 0x10;

/// What a frame is for; the low nibble of its first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Says: I speak frames, this is my version and instance.
    Hello = 0,
    /// Carries one IP packet.
    Source = 1,
    /// What the sender received per path.
    Report = 3,
    /// Asks for an echo; may be padded to try out a size.
    Probe = 4,
    /// Answers a probe on the same path.
    Echo = 5,
}

/// The first twelve octets of every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// The path this copy was sent on.
    pub path: u8,
    /// Class of the content: 0 live, 1 bulk.  Carried, not judged here.
    pub class: u8,
    /// Counts the frames sent on this path.
    pub path_sequence: u32,
    /// Send time in microseconds on the sender's monotonic clock, modulo 2^32.
    pub time_us: u32,
}

/// Capabilities and identity of one running end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// Version of the frame layer.
    pub version: u8,
    /// Bits for what the sender understands beyond version 1; none are defined yet.
    pub capabilities: u32,
    /// Drawn at random when the end starts, so that a restart is noticed.
    pub instance: u32,
    /// Whether the sender has not yet heard a hello itself.
    pub wants_answer: bool,
}

/// What one end received on one path since the path was born.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathLine {
    /// The path.
    pub path: u8,
    /// Frames received.
    pub received: u32,
    /// Frames missing from the sequence.
    pub lost: u32,
    /// Runs of missing frames.
    pub bursts: u32,
    /// Length of the longest run.
    pub longest_burst: u16,
    /// Delay variation, microseconds.
    pub jitter_us: u32,
    /// Delay above the least seen lately, microseconds.
    pub queue_us: u32,
}

/// A decoded plaintext.
#[derive(Debug, PartialEq, Eq)]
pub enum Plain<'a> {
    /// Nothing: a keepalive.
    Keepalive,
    /// An IP packet outside any frame; padding still behind it.
    Packet(&'a [u8]),
    /// An IP packet in a source frame, with the sequence number of the source.
    Source(Header, u32, &'a [u8]),
    /// A hello.
    Hello(Header, Hello),
    /// A report; the lines are decoded by [`path_lines`].
    Report(Header, &'a [u8]),
    /// A probe with its number.
    Probe(Header, u32),
    /// An echo: number and time of the probe, and how long it was held (microseconds).
    Echo(Header, u32, u32, u32),
}

/// Why a plaintext is not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// The first nibble is neither IP nor ours, or the kind is newer than this crate.
    Unknown,
    /// A known kind whose octets do not add up.
    Malformed,
}

impl Plain<'_> {
    /// The path a frame names; 0 for what is no frame.
    pub fn path(&self) -> u8 {
        match self {
            Plain::Keepalive | Plain::Packet(_) => 0,
            Plain::Source(header, ..)
            | Plain::Hello(header, _)
            | Plain::Report(header, _)
            | Plain::Probe(header, _)
            | Plain::Echo(header, ..) => header.path,
        }
    }
}

impl Header {
    /// Write the header to the front of `out`, which must hold [`HEADER_BYTES`].
    pub fn put(&self, out: &mut [u8]) {
        out[0] = MARK | self.kind as u8;
        out[1] = self.path;
        out[2] = self.class;
        out[3] = 0;
        out[4..8].copy_from_slice(&self.path_sequence.to_be_bytes());
        out[8..12].copy_from_slice(&self.time_us.to_be_bytes());
    }

    fn get(bytes: &[u8]) -> Result<Self, WireError> {
        let kind = match bytes[0] & 0x0f {
            0 => Kind::Hello,
            1 => Kind::Source,
            3 => Kind::Report,
            4 => Kind::Probe,
            5 => Kind::Echo,
            _ => return Err(WireError::Unknown),
        };
        if bytes.len() < HEADER_BYTES || bytes[3] != 0 {
            return Err(WireError::Malformed);
        }
        Ok(Self {
            kind,
            path: bytes[1],
            class: bytes[2],
            path_sequence: u32_at(bytes, 4),
            time_us: u32_at(bytes, 8),
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Decode one plaintext.  Never panics, whatever the octets.
pub fn decode(plain: &[u8]) -> Result<Plain<'_>, WireError> {
    let Some(first) = plain.first() else {
        return Ok(Plain::Keepalive);
    };
    match first >> 4 {
        4 | 6 => return Ok(Plain::Packet(plain)),
        1 => {}
        _ => return Err(WireError::Unknown),
    }
    let header = Header::get(plain)?;
    let body = &plain[HEADER_BYTES..];
    let least = |octets: usize| if body.len() < octets { Err(WireError::Malformed) } else { Ok(()) };
    match header.kind {
        Kind::Source => {
            least(5)?;
            Ok(Plain::Source(header, u32_at(body, 0), &body[4..]))
        }
        Kind::Probe => {
            least(4)?;
            Ok(Plain::Probe(header, u32_at(body, 0)))
        }
        Kind::Echo => {
            least(12)?;
            Ok(Plain::Echo(header, u32_at(body, 0), u32_at(body, 4), u32_at(body, 8)))
        }
        Kind::Hello => {
            least(10)?;
            let hello = Hello {
                version: body[0],
                wants_answer: body[1] != 0,
                capabilities: u32_at(body, 2),
                instance: u32_at(body, 6),
            };
            Ok(Plain::Hello(header, hello))
        }
        Kind::Report => {
            least(1)?;
            let count = usize::from(body[0]);
            if count > MAX_PATHS {
                return Err(WireError::Malformed);
            }
            least(1 + count * PATH_LINE_BYTES)?;
            Ok(Plain::Report(header, &body[1..1 + count * PATH_LINE_BYTES]))
        }
    }
}

/// Decode the lines of a report, as [`decode`] cut them out.
pub fn path_lines(lines: &[u8]) -> impl Iterator<Item = PathLine> + '_ {
    lines.chunks_exact(PATH_LINE_BYTES).map(|line| PathLine {
        path: line[0],
        longest_burst: u16::from_be_bytes([line[2], line[3]]),
        received: u32_at(line, 4),
        lost: u32_at(line, 8),
        bursts: u32_at(line, 12),
        jitter_us: u32_at(line, 16),
        queue_us: u32_at(line, 20),
    })
}

/// Write a source header in front of an IP packet; `out` must hold [`SOURCE_BYTES`].
pub fn put_source(header: &Header, sequence: u32, out: &mut [u8]) {
    header.put(out);
    out[HEADER_BYTES..SOURCE_BYTES].copy_from_slice(&sequence.to_be_bytes());
}

/// Append a probe, zero-padded to `length` octets if that is longer than the probe.
pub fn put_probe(header: &Header, id: u32, length: usize, out: &mut Vec<u8>) {
    put_header(header, out);
    out.extend_from_slice(&id.to_be_bytes());
    out.resize(out.len().max(length), 0);
}

/// Append an echo of probe `id` sent at `time_us` and held for `held_us`.
pub fn put_echo(header: &Header, id: u32, time_us: u32, held_us: u32, out: &mut Vec<u8>) {
    put_header(header, out);
    for field in [id, time_us, held_us] {
        out.extend_from_slice(&field.to_be_bytes());
    }
}

/// Append a hello.
pub fn put_hello(header: &Header, hello: &Hello, out: &mut Vec<u8>) {
    put_header(header, out);
    out.extend_from_slice(&[hello.version, u8::from(hello.wants_answer)]);
    out.extend_from_slice(&hello.capabilities.to_be_bytes());
    out.extend_from_slice(&hello.instance.to_be_bytes());
}

/// Append a report of at most [`MAX_PATHS`] lines; further lines are left out.
pub fn put_report(header: &Header, lines: impl Iterator<Item = PathLine>, out: &mut Vec<u8>) {
    put_header(header, out);
    let count_at = out.len();
    out.push(0);
    for line in lines.take(MAX_PATHS) {
        out[count_at] += 1;
        out.extend_from_slice(&[line.path, 0]);
        out.extend_from_slice(&line.longest_burst.to_be_bytes());
        for field in [line.received, line.lost, line.bursts, line.jitter_us, line.queue_us] {
            out.extend_from_slice(&field.to_be_bytes());
        }
    }
}

fn put_header(header: &Header, out: &mut Vec<u8>) {
    let mut octets = [0; HEADER_BYTES];
    header.put(&mut octets);
    out.extend_from_slice(&octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind) -> Header {
        Header { kind, path: 3, class: 1, path_sequence: 0x0102_0304, time_us: 0xfffe_0001 }
    }

    #[test]
    fn every_kind_survives_the_round_trip() {
        let hello = Hello { version: 1, capabilities: 7, instance: 0xdead_beef, wants_answer: true };
        let mut out = Vec::new();
        put_hello(&header(Kind::Hello), &hello, &mut out);
        assert_eq!(out.len(), HELLO_BYTES);
        assert_eq!(decode(&out), Ok(Plain::Hello(header(Kind::Hello), hello)));

        out.clear();
        put_probe(&header(Kind::Probe), 9, 100, &mut out);
        assert_eq!(out.len(), 100);
        assert_eq!(decode(&out), Ok(Plain::Probe(header(Kind::Probe), 9)));

        out.clear();
        put_echo(&header(Kind::Echo), 1, 2, 3, &mut out);
        assert_eq!(out.len(), ECHO_BYTES);
        assert_eq!(decode(&out), Ok(Plain::Echo(header(Kind::Echo), 1, 2, 3)));

        let mut source = vec![0; SOURCE_BYTES];
        put_source(&header(Kind::Source), 77, &mut source);
        source.extend_from_slice(b"Epacket");
        assert_eq!(decode(&source), Ok(Plain::Source(header(Kind::Source), 77, b"Epacket")));
    }

    #[test]
    fn a_report_keeps_its_lines_under_padding() {
        let lines = [
            PathLine {
                path: 0,
                received: 1,
                lost: 2,
                bursts: 3,
                longest_burst: 4,
                jitter_us: 5,
                queue_us: 6,
            },
            PathLine { path: 9, received: u32::MAX, ..PathLine::default() },
        ];
        let mut out = Vec::new();
        put_report(&header(Kind::Report), lines.into_iter(), &mut out);
        out.resize(out.len() + 15, 0);
        let Ok(Plain::Report(_, body)) = decode(&out) else { panic!("a report") };
        assert_eq!(path_lines(body).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn a_report_never_grows_past_its_bound() {
        let mut out = Vec::new();
        put_report(&header(Kind::Report), (0..200).map(|_| PathLine::default()), &mut out);
        assert_eq!(out.len(), REPORT_MAX_BYTES);
        assert!(decode(&out).is_ok());
    }

    #[test]
    fn every_truncation_is_refused_or_shorter_content() {
        let mut out = Vec::new();
        put_echo(&header(Kind::Echo), 1, 2, 3, &mut out);
        for length in 1..out.len() {
            assert_eq!(decode(&out[..length]), Err(WireError::Malformed));
        }
    }

    #[test]
    fn strangers_are_named() {
        assert_eq!(decode(&[]), Ok(Plain::Keepalive));
        assert_eq!(decode(&[0x45, 1]), Ok(Plain::Packet(&[0x45, 1])));
        assert_eq!(decode(&[0x60]), Ok(Plain::Packet(&[0x60])));
        assert_eq!(decode(&[0x1f; 40]), Err(WireError::Unknown));
        assert_eq!(decode(&[0x99; 40]), Err(WireError::Unknown));
        assert_eq!(decode(&[0x11; 40]), Err(WireError::Malformed), "fourth octet must be zero");
    }
}
