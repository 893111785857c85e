//! The relay itself over loopback: trains are cut where a datagram may not pass, order and sizes stay.

use std::net::UdpSocket;
use std::time::Duration;

use carry::relay::{Error, Relay};
use quinn_udp::{Transmit, UdpSocketState};

use crate::datagrams::*;

struct Scene {
    relay: Relay,
    client: UdpSocket,
    campus: UdpSocket,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let wide = socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 20);
    wide.expect("a longer queue");
    let patience = Some(Duration::from_secs(5));
    socket.set_read_timeout(patience).expect("a timeout");
    socket
}

fn scene() -> Scene {
    let (client, campus) = (socket(), socket());
    let endpoint = campus.local_addr().expect("bound").to_string();
    let relay = Relay::start("127.0.0.1:0", &[(CAMPUS.to_vec(), endpoint)]).expect("a free port");
    client.connect(("127.0.0.1", relay.port())).expect("loopback");
    client.send(&initiation(CAMPUS)).expect("sent");
    let mut buffer = [0; 2_048];
    let (_, flow) = campus.recv_from(&mut buffer).expect("the initiation");
    campus.connect(flow).expect("loopback");
    campus.send(&response(5)).expect("sent");
    assert_eq!(client.recv(&mut buffer).expect("the response"), 92);
    Scene { relay, client, campus }
}

/// A transport message that tells its number.
fn numbered(number: u32, length: usize) -> Vec<u8> {
    let mut datagram = data(5, length);
    datagram[16..20].copy_from_slice(&number.to_le_bytes());
    datagram
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2_048];
    let length = socket.recv(&mut buffer).expect("a datagram");
    buffer[..length].to_vec()
}

fn send_train(socket: &UdpSocket, size: usize, contents: &[u8]) {
    let state = UdpSocketState::new(socket.into()).expect("a UDP socket");
    assert!(state.max_gso_segments() >= 7, "the kernel of the test knows GSO");
    let transmit = Transmit {
        destination: socket.peer_addr().expect("connected"),
        ecn: None,
        contents,
        segment_size: Some(size),
        src_ip: None,
    };
    state.try_send(socket.into(), &transmit).expect("sent");
    socket.set_nonblocking(false).expect("a socket");
}

fn cut_around_what_may_not_pass(from: &UdpSocket, to: &UdpSocket, relay: &Relay) {
    let mut train: Vec<Vec<u8>> = (0..6).map(|n| numbered(n, 160)).collect();
    train.push(numbered(6, 96));
    train[0][1] = 1;
    train[3][0] = 9;
    send_train(from, 160, &train.concat());
    for n in [1, 2, 4, 5, 6] {
        assert_eq!(receive(to), train[n]);
    }
    let counts = relay.counts().expect("it runs");
    assert!(counts.contains(&("dropped_malformed", 2)), "{counts:?}");
}

#[test]
fn a_train_is_cut_around_what_may_not_pass() {
    // A scene each: who has sent a train takes trains, too, and could not tell its datagrams apart.
    let scene = scene();
    cut_around_what_may_not_pass(&scene.client, &scene.campus, &scene.relay);
}

#[test]
fn a_train_of_the_campus_is_cut_as_well() {
    let scene = scene();
    scene.client.send(&data(5, 32)).expect("sent");
    assert_eq!(receive(&scene.campus), data(5, 32));
    cut_around_what_may_not_pass(&scene.campus, &scene.client, &scene.relay);
}

#[test]
fn sizes_that_rise_and_fall_stay_as_they_are() {
    let scene = scene();
    for (from, to) in [(&scene.client, &scene.campus), (&scene.campus, &scene.client)] {
        let length = |n: u32| 32 + 16 * (n * n % 80) as usize;
        let sent: Vec<Vec<u8>> = (0..150).map(|n| numbered(n, length(n))).collect();
        for datagram in &sent {
            from.send(datagram).expect("sent");
        }
        for datagram in &sent {
            assert_eq!(&receive(to), datagram);
        }
    }
}

#[test]
fn a_closed_relay_frees_its_port_and_says_so() {
    let scene = scene();
    let listen = format!("127.0.0.1:{}", scene.relay.port());
    let taken = Relay::start(&listen, &[]);
    assert!(matches!(taken, Err(Error::Listen(..))));
    scene.relay.close();
    assert!(matches!(scene.relay.counts(), Err(Error::Closed)));
    Relay::start(&listen, &[]).expect("the port is free");
}
