//! The address of the client, behind a proxy too.
//!
//! Never believes a header of a peer that is no proxy of ours.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::app::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of whoever asks: the peer's, or where that is one of these proxies the last of its
/// list that is none of them. What stands before that the client may have made up.
#[must_use]
pub fn address(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[Network]) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.to_canonical());
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    if !peer.is_some_and(trusted) {
        return peer;
    }
    let mut hops = hops(headers, &X_FORWARDED_FOR, whole);
    if hops.is_empty() {
        hops = self::hops(headers, &header::FORWARDED, of);
    }
    for hop in hops.into_iter().rev() {
        match hop {
            Some(hop) if trusted(hop) => {}
            Some(hop) => return Some(hop),
            // What the proxy wrote cannot be read: nothing before it is to be trusted.
            None => return peer,
        }
    }
    peer
}

/// The entries of a list in all headers of this name, in order; `None` for what is no address.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    part: impl Fn(&str) -> Option<&str>,
) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().unwrap_or("?");
        hops.extend(text.split(',').map(|entry| part(entry).and_then(read)));
    }
    hops
}

/// An entry that is an address alone.
fn whole(entry: &str) -> Option<&str> {
    Some(entry)
}

/// The `for` of an element of `Forwarded` (RFC 7239).
fn of(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    Some(value.trim().trim_matches('"'))
}

/// An address, with or without a port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let alone = bare.parse::<IpAddr>().ok();
    let address = alone.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// What is seen of a peer at 10.0.0.1.
    fn seen(lines: &[(&str, &str)], proxies: &[&str]) -> String {
        let mut request = TestRequest::get();
        for line in lines {
            request = request.append_header(*line);
        }
        let request = request.to_http_request();
        let peer = Some(IpAddr::from([10, 0, 0, 1]));
        let proxies: Vec<Network> = proxies.iter().map(|one| one.parse().unwrap()).collect();
        let found = address(peer, request.headers(), &proxies);
        found.unwrap().to_string()
    }

    #[test]
    fn the_last_entry_that_is_no_hop_here_is_the_client() {
        let name = "x-forwarded-for";
        for (lines, want) in [
            (vec![(name, "192.0.2.1")], "192.0.2.1"),
            (vec![(name, "1.1.1.1, 192.0.2.1")], "192.0.2.1"),
            (vec![(name, "192.0.2.1, 127.0.0.1, ::1")], "192.0.2.1"),
            (vec![(name, "1.1.1.1, 192.0.2.1, 10.9.9.9")], "192.0.2.1"),
            (vec![(name, "1.1.1.1"), (name, "192.0.2.1")], "192.0.2.1"),
            (vec![(name, "192.0.2.1:8080")], "192.0.2.1"),
            (vec![(name, "::ffff:192.0.2.1")], "192.0.2.1"),
            (vec![(name, "[2001:db8::1]:80")], "2001:db8::1"),
            (vec![(name, "1.1.1.1, unknown")], "10.0.0.1"),
            (vec![(name, "127.0.0.1")], "10.0.0.1"),
            (
                vec![(
                    "forwarded",
                    "for=1.1.1.1, For=\"[2001:db8::1]:4711\";proto=https",
                )],
                "2001:db8::1",
            ),
            (vec![("forwarded", "for=1.1.1.1, for=_hidden")], "10.0.0.1"),
            (
                vec![("forwarded", "for=1.1.1.1"), (name, "192.0.2.1")],
                "192.0.2.1",
            ),
            (vec![], "10.0.0.1"),
        ] {
            let proxies = ["10.0.0.0/8", "127.0.0.0/8", "::1"];
            assert_eq!(seen(&lines, &proxies), want, "{lines:?}");
        }
    }

    #[test]
    fn without_a_proxy_or_from_another_peer_the_headers_say_nothing() {
        let lines = [
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
        ];
        assert_eq!(seen(&lines, &[]), "10.0.0.1");
        assert_eq!(seen(&lines, &["127.0.0.0/8", "10.0.0.2"]), "10.0.0.1");
    }
}
