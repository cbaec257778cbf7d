use untethered::http::{CookieJar, FanOut, FetchRequest};
use untethered::sim::Sim;

use super::SECOND;
use super::server::Server;

fn jar() -> CookieJar {
    CookieJar::new(&Sim::new().runtime())
}

/// What is sent to `url`.
fn sent(jar: &CookieJar, url: &str) -> String {
    let value = jar.header(url);
    value.map_or_else(String::new, |value| {
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    })
}

/// What is sent to `url` once a server at `from` has set `cookie`.
fn after(from: &str, cookie: &str, url: &str) -> String {
    let jar = jar();
    jar.add(from, cookie);
    sent(&jar, url)
}

// H10
#[test]
fn a_cookie_goes_back_to_its_host_alone_unless_it_says_otherwise() {
    for (cookie, url, is_sent) in [
        ("a=1", "http://www.example.com/", true),
        ("a=1", "http://www.example.com:8080/x", true),
        ("a=1", "http://WWW.example.com/", true),
        ("a=1", "http://example.com/", false),
        ("a=1", "http://sub.www.example.com/", false),
        ("a=1", "http://xwww.example.com/", false),
        ("a=1; Domain=", "http://sub.www.example.com/", false),
        ("a=1; Domain=example.com", "http://example.com/", true),
        (
            "a=1; domain=.EXAMPLE.com",
            "http://other.example.com/",
            true,
        ),
        ("a=1; Domain=example.com", "http://a.b.example.com/", true),
        ("a=1; Domain=example.com", "http://badexample.com/", false),
        ("a=1; Domain=example.com", "http://example.org/", false),
        ("a=1; Domain=www.example.com", "http://example.com/", false),
    ] {
        let wanted = if is_sent { "a=1" } else { "" };
        assert_eq!(
            after("http://www.example.com/", cookie, url),
            wanted,
            "{cookie}, {url}"
        );
    }
}

// H10
#[test]
fn nobody_sets_cookies_for_a_stranger_or_a_public_suffix() {
    for (from, domain) in [
        ("http://example.com/", "example.org"),
        ("http://example.com/", "www.example.com"),
        ("http://example.com/", "xample.com"),
        ("http://example.com/", "com"),
        ("http://example.com/", ".com"),
        ("http://example.com/", "com."),
        ("http://a.co.uk/", "co.uk"),
        ("http://me.github.io/", "github.io"),
        ("http://me.xn--55qx5d.cn/", "\u{516c}\u{53f8}.cn"),
        ("http://host.internal/", "internal"),
        ("http://127.0.0.1/", "0.0.1"),
        ("http://127.0.0.1/", "1"),
        ("http://example.com/", "exa mple.com"),
        ("http://example.com/", "[::1]"),
    ] {
        let jar = jar();
        let cookie = format!("a=1; Domain={domain}");
        assert!(!jar.add(from, &cookie), "{from}, {domain}");
        assert!(jar.is_empty());
    }
    // The suffix itself has cookies of its own, as hosts without a dot and addresses do.
    for (host, below) in [
        ("github.io", "me.github.io"),
        ("localhost", "me.localhost"),
        ("127.0.0.1", "1.127.0.0.1"),
        ("[::1]", "x.test"),
    ] {
        let from = format!("http://{host}/");
        let cookie = format!("a=1; Domain={host}");
        assert_eq!(after(&from, &cookie, &from), "a=1", "{host}");
        assert_eq!(after(&from, &cookie, &format!("http://{below}/")), "");
    }
}

#[test]
fn names_in_other_letters_are_the_same() {
    let jar = jar();
    assert!(jar.add(
        "http://xn--bcher-kva.example/",
        "a=1; Domain=b\u{fc}cher.example"
    ));
    assert_eq!(sent(&jar, "http://www.xn--bcher-kva.example/"), "a=1");
}

#[test]
fn a_cookie_is_for_its_path_and_what_lies_below() {
    for (from, path, url, is_sent) in [
        ("/", "; Path=/a", "/a", true),
        ("/", "; Path=/a", "/a/b", true),
        ("/", "; Path=/a", "/a?q", true),
        ("/", "; Path=/a", "/ab", false),
        ("/", "; Path=/a", "/", false),
        ("/", "; Path=/a/", "/a/b", true),
        ("/", "; Path=/a/", "/a", false),
        ("/", "; Path=/A", "/a", false),
        ("/x/y/z", "", "/x/y", true),
        ("/x/y/z", "", "/x/y/other", true),
        ("/x/y/z", "", "/x", false),
        ("/x/y/z", "; Path=relative", "/x", false),
        ("/x/y/z", "; Path=/a; Path=", "/x/y", true),
        ("/x", "", "/", true),
    ] {
        let from = format!("http://h.test{from}");
        let wanted = if is_sent { "a=1" } else { "" };
        let cookie = format!("a=1{path}");
        assert_eq!(
            after(&from, &cookie, &format!("http://h.test{url}")),
            wanted,
            "{from}, {path}, {url}"
        );
    }
}

#[test]
fn longer_paths_come_first_and_then_what_is_older() {
    let jar = jar();
    for cookie in [
        "a=1",
        "b=2; Path=/x/y",
        "c=3; Path=/x",
        "d=4",
        "a=5",
        "=6",
        "e=",
    ] {
        jar.add("http://h.test/", cookie);
    }
    assert_eq!(
        sent(&jar, "http://h.test/x/y/z"),
        "b=2; c=3; a=5; d=4; 6; e="
    );
    assert_eq!(jar.len(), 6);
    jar.clear();
    assert_eq!(sent(&jar, "http://h.test/x/y/z"), "");
}

// H10
#[test]
fn what_is_secure_stays_so() {
    let (https, http) = ("https://h.test/", "http://h.test/");
    assert_eq!(after(https, "a=1; Secure", https), "a=1");
    assert_eq!(after(https, "a=1; secure=", http), "");
    assert_eq!(after(http, "a=1; Secure", https), "");
    let jar = jar();
    assert!(jar.add(
        "https://www.h.test/x",
        "a=1; Secure; Domain=h.test; Path=/x"
    ));
    for (from, cookie) in [
        ("http://www.h.test/", "a=2; Domain=h.test; Path=/x"),
        ("http://www.h.test/", "a=2; Path=/x"),
        ("http://www.h.test/", "a=2; Path=/x/y"),
        ("http://h.test/", "a=2; Domain=h.test; Path=/x"),
        (
            "http://www.h.test/",
            "a=; Domain=h.test; Path=/x; Max-Age=0",
        ),
    ] {
        assert!(!jar.add(from, cookie), "{from}, {cookie}");
    }
    assert_eq!(sent(&jar, "https://www.h.test/x"), "a=1");
    assert!(jar.add("http://www.h.test/", "a=2; Path=/"));
    assert!(jar.add("https://www.h.test/", "a=3; Domain=h.test; Path=/x"));
    assert_eq!(sent(&jar, "http://www.h.test/x"), "a=3; a=2");
    // A subdomain's cookie can not be hidden from above either.
    jar.clear();
    assert!(jar.add("https://www.h.test/", "a=1; Secure"));
    assert!(!jar.add("http://h.test/", "a=2; Domain=h.test"));
    assert!(jar.add("http://h.test/", "a=2"));
}

// H10
#[test]
fn prefixes_of_names_keep_their_promises() {
    let https = "https://www.h.test/";
    for (cookie, is_set) in [
        ("__Secure-a=1; Secure", true),
        ("__Secure-a=1", false),
        ("__secure-a=1", false),
        ("__Host-a=1; Secure; Path=/", true),
        ("__HOST-a=1; Secure; Path=/", true),
        ("__Host-a=1; Secure; Path=/; Domain=", true),
        ("__Host-a=1; Path=/", false),
        ("__Host-a=1; Secure", false),
        ("__Host-a=1; Secure; Path=/x", false),
        ("__Host-a=1; Secure; Path=/; Domain=www.h.test", false),
        ("=__Host-a=1; Secure; Path=/", false),
        ("__Host-a; Secure; Path=/", false),
        ("__Secure-a; Secure", false),
        ("__Hosta=1", true),
    ] {
        assert_eq!(jar().add(https, cookie), is_set, "{cookie}");
    }
}

#[test]
fn a_cookie_ends_when_it_says() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let jar = CookieJar::new(&rt);
    let url = "http://h.test/";
    for (cookie, is_set) in [
        ("a=1; Max-Age=2", true),
        ("b=1; Max-Age=99999999999999999999999", true),
        (
            "c=1; Max-Age=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            true,
        ),
        ("d=1; Max-Age=x", true),
        ("e=1; Expires=never", true),
        ("f=1; Expires=Fri, 31-Dec-9999 23:59:59 GMT", true),
        ("g=1; Max-Age=0", false),
        ("h=1; Max-Age=-1", false),
        ("i=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false),
        ("j=1; Max-Age=-", true),
    ] {
        assert_eq!(jar.add(url, cookie), is_set, "{cookie}");
    }
    assert_eq!(sent(&jar, url), "a=1; b=1; c=1; d=1; e=1; f=1; j=1");
    sim.block_on(rt.sleep(SECOND * 2));
    assert_eq!(sent(&jar, url), "b=1; d=1; e=1; f=1; j=1");
    // An expired one takes away what it replaces.
    assert!(!jar.add(url, "d=; Max-Age=0"));
    assert_eq!(sent(&jar, url), "b=1; e=1; f=1; j=1");
    sim.block_on(rt.sleep(SECOND * 400 * 24 * 3600));
    assert_eq!(sent(&jar, url), "e=1; j=1");
}

#[test]
fn what_is_no_cookie_is_none() {
    let long = format!("a={}", "x".repeat(4096));
    for cookie in [
        "",
        "=",
        " ; Path=/",
        "a=\u{7f}",
        "a=1\u{0}",
        "a=1\r\nb",
        &long,
    ] {
        assert!(!jar().add("http://h.test/", cookie), "{cookie:?}");
    }
    assert!(jar().add("http://h.test/", &long[..4097]));
    assert!(!jar().add("not a URL", "a=1") && !jar().add("/path", "a=1"));
    assert_eq!(jar().header("/path"), None);
    // An attribute that is too long is as if it were not there.
    let jar = jar();
    let long = format!("a=1; Path=/{}", "x".repeat(1024));
    assert!(jar.add("http://h.test/", &long));
    assert_eq!(sent(&jar, "http://h.test/"), "a=1");
}

// H10
#[test]
fn a_jar_has_a_bound() {
    let jar = jar();
    let of = |host: usize| format!("https://h{host}.test/");
    jar.add(&of(0), "kept=1; Secure");
    for number in 0..60 {
        jar.add(&of(0), &format!("n{number}=1"));
    }
    assert_eq!(jar.len(), 50);
    // Those without `Secure` go first, the ones that were not sent for the longest time.
    let value = sent(&jar, &of(0));
    assert!(
        value.starts_with("kept=1; n11=1") && value.ends_with("n59=1"),
        "{value}"
    );
    for host in 1..4000 {
        jar.add(&of(host), "a=1");
        jar.header(&of(1));
    }
    assert_eq!(jar.len(), 3000);
    assert_eq!(sent(&jar, &of(0)), "kept=1");
    assert_eq!(sent(&jar, &of(1)), "a=1");
    assert_eq!(sent(&jar, &of(2)), "");
    assert_eq!(sent(&jar, &of(3999)), "a=1");
}

#[test]
fn what_has_expired_goes_first() {
    let sim = Sim::new();
    let jar = CookieJar::new(&sim.runtime());
    for number in 0..50 {
        let life = if number == 30 {
            "; Secure; Max-Age=1"
        } else {
            ""
        };
        jar.add("https://h.test/", &format!("n{number}=1{life}"));
    }
    sim.block_on(sim.runtime().sleep(SECOND));
    jar.add("https://h.test/", "last=1");
    assert_eq!(jar.len(), 50);
    assert!(sent(&jar, "https://h.test/").starts_with("n0=1; "));
}

/// Sets a cookie on `/set`, redirects from `/to?URL`.
fn setting(sim: &Sim) -> Server {
    Server::new(sim, |call| async move {
        if let Some((_, to)) = call.url.split_once("/to?") {
            let to = to.to_owned();
            return call.answer_with(302, &[("location", &to), ("set-cookie", "hop=1")], "");
        }
        match &*call.path {
            "/set" => {
                let headers = [("set-cookie", "a=canary; Path=/"), ("set-cookie", "b=2")];
                call.answer_with(200, &headers, "ok")
            }
            "/short" => {
                let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
                let cookie = "s=1; Expires=Sun, 06 Nov 1994 08:49:38 GMT";
                call.answer_with(200, &[date, ("set-cookie", cookie)], "ok")
            }
            _ => call.answer("ok"),
        }
    })
}

fn cookies_of(server: &Server) -> Vec<String> {
    let seen = server.seen();
    let values = seen.requests.iter().map(|asked| {
        let lines: Vec<_> = asked.headers.get_all("cookie").iter().collect();
        assert!(lines.len() <= 1 && lines.iter().all(|it| it.is_sensitive()));
        lines.iter().map(|it| it.to_str().unwrap()).collect()
    });
    values.collect()
}

// H10
#[test]
fn a_fan_out_sends_what_was_set_to_where_it_belongs() {
    let sim = Sim::new();
    let server = setting(&sim);
    let jar = CookieJar::new(&sim.runtime());
    let plain = FanOut::new(&sim.runtime(), server.clone());
    let fan_out = plain.clone().cookies(&jar);
    for url in [
        "http://h.test/set",
        "http://h.test/x",
        "http://h.test/to?http://other.test/x",
        "http://other.test/to?http://h.test/x",
    ] {
        sim.block_on(fan_out.fetch(url)).unwrap();
    }
    let own = FetchRequest::get("http://h.test/x").header("cookie", "own=1");
    sim.block_on(fan_out.fetch(own)).unwrap();
    sim.block_on(plain.fetch("http://h.test/x")).unwrap();
    assert_eq!(
        cookies_of(&server),
        [
            "",
            "a=canary; b=2",
            "a=canary; b=2",
            "",
            "",
            "a=canary; b=2; hop=1",
            "own=1",
            ""
        ]
    );
    let shown = format!("{jar:?} {fan_out:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_date_is_read_against_the_clock_of_its_server() {
    let sim = Sim::new();
    let server = setting(&sim);
    let jar = CookieJar::new(&sim.runtime());
    let fan_out = FanOut::new(&sim.runtime(), server).cookies(&jar);
    sim.block_on(fan_out.fetch("http://h.test/short")).unwrap();
    assert_eq!(sent(&jar, "http://h.test/"), "s=1");
    sim.block_on(sim.runtime().sleep(SECOND));
    assert_eq!(sent(&jar, "http://h.test/"), "");
}

// H10
#[test]
fn one_jar_takes_the_place_of_the_other() {
    let sim = Sim::new();
    let server = setting(&sim);
    let [first, second] = [(); 2].map(|()| CookieJar::new(&sim.runtime()));
    first.add("http://h.test/", "first=1");
    let fan_out = FanOut::new(&sim.runtime(), server.clone()).cookies(&first);
    let other = fan_out.clone().cookies(&second);
    for (fan_out, url) in [
        (&other, "http://h.test/x"),
        (&other, "http://h.test/set"),
        (&fan_out, "http://h.test/x"),
        (&other, "http://h.test/x"),
    ] {
        sim.block_on(fan_out.fetch(url)).unwrap();
    }
    assert_eq!(cookies_of(&server), ["", "", "first=1", "a=canary; b=2"]);
    assert_eq!((first.len(), second.len()), (1, 2));
}

#[test]
fn a_cookie_is_taken_back_by_its_end() {
    let (jar, url) = (jar(), "http://h.test/");
    assert!(jar.add(url, "only=1"));
    assert_eq!((jar.len(), &*sent(&jar, url)), (1, "only=1"));
    assert!(!jar.add(url, "only=; Max-Age=0"));
    assert!(jar.is_empty() && jar.header(url).is_none());
    // One that was never there leaves nothing either.
    assert!(!jar.add("http://other.test/", "none=; Max-Age=0"));
    assert!(jar.is_empty());
    assert!(jar.add(url, "again=1"));
    assert_eq!(sent(&jar, url), "again=1");
}
