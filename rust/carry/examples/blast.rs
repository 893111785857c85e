//! A UDP load generator and its sink, for `bench/relay.py`.
//!
//! `blast send TO KEY SIZE FLOWS gso|plain SECONDS`: each flow rings with a right initiation for the
//! campus of that public key (hex), then sends transport messages as fast as the kernel takes them.
//! `blast sink LISTEN SECONDS`: waits for the first, lets 0.3 s pass, counts, prints one line of JSON.

use std::env;
use std::error::Error;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use carry::relay::datagram::{INITIATION_BYTES, Mac1Key};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};

/// What UDP GSO takes at once: 64 segments, and one IP packet.
const TRAIN_SEGMENTS: usize = 64;
const TRAIN_BYTES: usize = 65_000;
const QUEUE_BYTES: usize = 8 << 20;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["send", to, key, size, flows, mode, seconds] => {
            let key = key_of(key)?;
            let sender = Sender::new(to.parse()?, &key, size.parse()?, flows.parse()?)?;
            sender.run(mode == "gso", Duration::from_secs_f64(seconds.parse()?))
        }
        ["sink", listen, seconds] => sink(listen, Duration::from_secs_f64(seconds.parse()?)),
        _ => Err("see the head of the source for the two ways to call this".into()),
    }
}

fn key_of(hex: &str) -> Fallible<[u8; 32]> {
    let octet = |at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16);
    let octets: Result<Vec<u8>, _> = (0..64).step_by(2).map(octet).collect();
    Ok(octets?.try_into().map_err(|_| "a key has 64 hex digits")?)
}

struct Sender {
    to: SocketAddr,
    size: usize,
    sockets: Vec<(UdpSocket, UdpSocketState)>,
    train: Vec<u8>,
}

impl Sender {
    fn new(to: SocketAddr, key: &[u8; 32], size: usize, flows: usize) -> Fallible<Self> {
        let mut initiation = [0; INITIATION_BYTES];
        initiation[0] = 1;
        Mac1Key::new(key).stamp(&mut initiation);
        let mut sockets = Vec::new();
        for _ in 0..flows {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            let _ = socket2::SockRef::from(&socket).set_send_buffer_size(QUEUE_BYTES);
            socket.connect(to)?;
            socket.send(&initiation)?;
            let state = UdpSocketState::new((&socket).into())?;
            socket.set_nonblocking(false)?;
            sockets.push((socket, state));
        }
        let segments = (TRAIN_BYTES / size).min(TRAIN_SEGMENTS);
        let mut train = vec![0; segments * size];
        for datagram in train.chunks_exact_mut(size) {
            datagram[0] = 4;
        }
        Ok(Self { to, size, sockets, train })
    }

    fn run(&self, gso: bool, time: Duration) -> Fallible<()> {
        // The relay has a moment to open every flow before the flood.
        std::thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        while start.elapsed() < time {
            for flow in &self.sockets {
                let sent = if gso { self.send_train(flow) } else { self.send_singly(&flow.0) };
                match sent {
                    Ok(()) => {}
                    // The far side may not be up yet, or its queue is full: that is its loss.
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn send_train(&self, (socket, state): &(UdpSocket, UdpSocketState)) -> io::Result<()> {
        let transmit = Transmit {
            destination: self.to,
            ecn: None,
            contents: &self.train,
            segment_size: Some(self.size),
            src_ip: None,
        };
        state.try_send(socket.into(), &transmit)
    }

    fn send_singly(&self, socket: &UdpSocket) -> io::Result<()> {
        let mut vectors: Vec<libc::iovec> = self
            .train
            .chunks_exact(self.size)
            .map(|datagram| libc::iovec {
                iov_base: datagram.as_ptr().cast_mut().cast(),
                iov_len: datagram.len(),
            })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = vectors
            .iter_mut()
            .map(|vector| {
                // SAFETY: all zero is a valid message header: no name, no data, no control.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = vector;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        let (start, count) = (messages.as_mut_ptr(), messages.len() as libc::c_uint);
        // SAFETY: `messages` and the `vectors` and octets they point at outlive the call.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), start, count, 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    let full = error.raw_os_error() == Some(libc::ENOBUFS);
    full || matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock)
}

fn sink(listen: &str, time: Duration) -> Fallible<()> {
    let socket = UdpSocket::bind(listen)?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(QUEUE_BYTES);
    let state = UdpSocketState::new((&socket).into())?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut buffers = vec![0; TAKEN * BUFFER_BYTES];
    receive(&socket, &state, &mut buffers)?;
    socket.set_nonblocking(true)?;
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_millis(300) {
        drain(&socket, &state, &mut buffers)?;
    }
    let (start, mut packets, mut bytes) = (Instant::now(), 0, 0);
    while start.elapsed() < time {
        let (more, octets) = drain(&socket, &state, &mut buffers)?;
        packets += more;
        bytes += octets;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(r#"{{"packets": {packets}, "bytes": {bytes}, "seconds": {seconds}}}"#);
    Ok(())
}

/// Trains the sink takes at once: so few that their buffers stay in the processor's cache.
const TAKEN: usize = 4;
const BUFFER_BYTES: usize = 65_536;
/// How long the sink rests: its queue holds several times what comes meanwhile.
const REST: Duration = Duration::from_micros(300);

/// Take all that waits and rest; woken for each datagram the sink would disturb the forwarder.
fn drain(socket: &UdpSocket, state: &UdpSocketState, buffers: &mut [u8]) -> io::Result<(u64, u64)> {
    let (mut packets, mut bytes) = (0, 0);
    loop {
        match receive(socket, state, buffers) {
            Ok((more, octets)) => (packets, bytes) = (packets + more, bytes + octets),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    std::thread::sleep(REST);
    Ok((packets, bytes))
}

/// Take some of what waits; return how many datagrams and octets it was.
fn receive(socket: &UdpSocket, state: &UdpSocketState, buffers: &mut [u8]) -> io::Result<(u64, u64)> {
    let mut metas = [RecvMeta::default(); TAKEN];
    let mut chunks = buffers.chunks_exact_mut(BUFFER_BYTES);
    let mut slices: [IoSliceMut<'_>; TAKEN] =
        std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
    let filled = state.recv(socket.into(), &mut slices, &mut metas)?;
    let count = |(packets, bytes), meta: &RecvMeta| {
        let datagrams = meta.len.div_ceil(meta.stride.max(1)) as u64;
        (packets + datagrams, bytes + meta.len as u64)
    };
    Ok(metas[..filled].iter().fold((0, 0), count))
}
