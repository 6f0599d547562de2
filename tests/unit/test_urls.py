"""URLs have one reading, prefixes are held against that, and addresses that are not public are known."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry.url_prefixes import is_public, may_reach, parse_prefix
from goophry.urls import parse_url


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("http://a", "http://a/"),
        ("HTTP://EXAMPLE.com:80/", "http://example.com/"),
        ("https://example.com.:443", "https://example.com/"),
        ("https://h:80/", "https://h:80/"),
        ("http://h:8080", "http://h:8080/"),
        ("http://h:/", "http://h/"),
        ("http://h/a b/ü?q=a b&ü#fragment", "http://h/a%20b/%C3%BC?q=a%20b&%C3%BC"),
        ("http://h/%41%zz%2f%", "http://h/%41%zz%2f%"),
        ("http://h/\udcff", "http://h/%FF"),
        ('http://h/?x={"a":1}', "http://h/?x={%22a%22:1}"),
        ("http://h?q", "http://h/?q"),
        ("http://h/?", "http://h/?"),
        ("http://h/a/./b/../c/.", "http://h/a/c/"),
        ("http://h/a/%2e%2E/b", "http://h/b"),
        ("http://h/../../x/..", "http://h/"),
        ("http://h/a\\..\\b", "http://h/b"),
        ("http://h\\@other/", "http://h/@other/"),
        ("http://h#@other/", "http://h/"),
        ("http://u:p@h/", "http://h/"),
        ("http://127.0.0.1:x@other/", "http://other/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://[0:0::0001]/", "http://[::1]/"),
        ("http://1.2.3.4./", "http://1.2.3.4/"),
        ("http://BÜCHER.de/", "http://xn--bcher-kva.de/"),
        ("http://ｅｘample。com/", "http://example.com/"),
        ("http://a_b.c-d/", "http://a_b.c-d/"),
    ],
)
def test_a_url_is_made_plain(text: str, plain: str) -> None:
    assert str(parse_url(text)) == plain


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected a URL that begins with http:// or https://"),
        ("h/x", "expected a URL that begins with http:// or https://"),
        ("ftp://h/", "expected a URL that begins with http:// or https://"),
        ("http:h", "expected a URL that begins with http:// or https://"),
        ("http:/h", "expected a URL that begins with http:// or https://"),
        (" http://h/", "expected a URL that begins with http:// or https://"),
        ("http://h/\r\nX: y", "the URL holds control characters"),
        ("http://h/\0", "the URL holds control characters"),
        ("http://a\tb/", "the URL holds control characters"),
        ("http:///x", "the URL has no host"),
        ("http://u:p@/x", "the URL has no host"),
        ("http://./", "the URL has no host"),
        ("http://a@b@c/", "the URL has more than one @ before its path"),
        ("http://a b/", "the host of the URL is no name that hosts have"),
        ("http://ex%61mple.com/", "the host of the URL is no name that hosts have"),
        ("http://a..b/", "the host of the URL is no name that hosts have"),
        ("http://-a.b/", "the host of the URL is no name that hosts have"),
        (f"http://{'a' * 64}/", "the host of the URL is no name that hosts have"),
        (f"http://{'a.' * 130}a/", "the host of the URL is no name that hosts have"),
        ("http://a/b@c:d.℀/".replace("/b", "℀"), "the port of the URL is no number from 1 to 65535"),
        ("http://a℀b/", "the host of the URL is no name that hosts have"),
        ("http://\udcff/", "the host of the URL is no name that hosts have"),
        ("http://127.1/", "the host of the URL is an address in a form that is not taken"),
        ("http://0177.0.0.1/", "the host of the URL is an address in a form that is not taken"),
        ("http://2130706433/", "the host of the URL is an address in a form that is not taken"),
        ("http://0x7f.0.0.1/", "the host of the URL is an address in a form that is not taken"),
        ("http://0x7f000001/", "the host of the URL is an address in a form that is not taken"),
        ("http://1.2.3.256/", "the host of the URL is an address in a form that is not taken"),
        ("http://[::1/", "the host of the URL cannot be read; an IPv6 address stands in [ ]"),
        ("http://::1/", "the host of the URL cannot be read; an IPv6 address stands in [ ]"),
        ("http://[x]/", "the host of the URL is no IPv6 address"),
        ("http://[fe80::1%eth0]/", "the host of the URL is no IPv6 address"),
        ("http://[::1]x/", "the host of the URL cannot be read; an IPv6 address stands in [ ]"),
        ("http://h:0/", "the port of the URL is no number from 1 to 65535"),
        ("http://h:65536/", "the port of the URL is no number from 1 to 65535"),
        ("http://h:+80/", "the port of the URL is no number from 1 to 65535"),
        ("http://h:８0/", "the port of the URL is no number from 1 to 65535"),
        ("http://u:secret@h:x/", "the port of the URL is no number from 1 to 65535"),
    ],
)
def test_what_is_no_url_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        parse_url(text)

    assert str(caught.value) == sentence


@given(st.text(max_size=40))
def test_whatever_is_read_is_plain_ascii_and_reads_the_same_again(rest: str) -> None:
    try:
        url = parse_url(f"http://{rest}")
    except ValueError:
        return

    assert str(url).isascii()
    assert str(url).isprintable()
    assert str(parse_url(str(url))) == str(url)
    assert url.origin == parse_url(str(url)).origin


@pytest.mark.parametrize(
    ("reference", "plain", "user"),
    [
        ("/x", "http://h/x", "u:p"),
        ("x y", "http://h/a/x%20y", "u:p"),
        ("?y", "http://h/a/b?y", "u:p"),
        ("", "http://h/a/b?c", "u:p"),
        ("../../..", "http://h/", "u:p"),
        ("//other/x", "http://other/x", None),
        ("http://other/", "http://other/", None),
        (" HTTPS://v:q@other/", "https://other/", "v:q"),
        ("\\\\other\\x", "http://h/a///other/x", "u:p"),
    ],
)
def test_a_location_is_seen_from_the_url_that_was_asked(reference: str, plain: str, user: str | None) -> None:
    joined = parse_url("http://u:p@h/a/b?c").joined(reference)

    assert (str(joined), joined.user) == (plain, user)


def test_a_location_that_is_no_url_is_told() -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        parse_url("http://h/").joined("javascript:alert(1)")


@pytest.mark.parametrize(
    ("prefix", "allowed", "refused"),
    [
        ("*", ["http://a/", "https://b:8/x"], []),
        ("https://", ["https://a/", "https://b:8/x"], ["http://a/"]),
        ("http://h", ["http://h", "http://h./x?y", "HTTP://H:80/"], ["http://h:81/", "https://h/", "http://h.x/"]),
        ("http://h/", ["http://h", "http://h/x"], ["http://hh/", "http://h@other/"]),
        ("http://H.:", ["http://h/", "http://h:81/x"], ["https://h/"]),
        ("http://h:81", ["http://h:81/"], ["http://h/", "http://h:8181/"]),
        ("https://h", ["https://h:443/"], ["https://h:80/"]),
        (
            "http://127.0.0.1:",
            ["http://127.0.0.1:5/"],
            ["http://127.0.0.1:x@other/", "http://127.0.0.10/", "http://127.0.0.1.x/", "http://localhost/"],
        ),
        ("http://[::1]:8/", ["http://[0::1]:8/"], ["http://[::2]:8/"]),
        ("http://bücher.de/", ["http://xn--bcher-kva.de/", "http://BÜCHER.DE/"], ["http://bucher.de/"]),
        ("http://*.x.y", ["http://a.x.y/", "http://b.a.x.y"], ["http://x.y/", "http://ax.y/", "http://a.x.y:8/"]),
        (
            "http://h/api",
            ["http://h/api", "http://h/api?x", "http://h/api/", "http://h/api/x", "http://h/y/../api/x"],
            [
                "http://h/",
                "http://h/apix",
                "http://h/API",
                "http://h/api/../x",
                "http://h/api/%2e%2e/x",
                "http://h/api/..%2fx",
                "http://h/api/..%5cx",
                "http://h/api/%252e%252e%252fx",
                "http://h/api/..;/x",
                "http://h/api/%2e%2e%3bv=1/x",
                "http://h/%61pi/x",
            ],
        ),
        ("http://h/api/", ["http://h/api/", "http://h/api/x"], ["http://h/api", "http://h/api?x"]),
        ("http://h/a b", ["http://h/a%20b/c", "http://h/a b"], ["http://h/a"]),
        ("http://h/x/../api", ["http://h/api/"], ["http://h/x/"]),
    ],
)
def test_a_prefix_is_compared_part_by_part(prefix: str, allowed: list[str], refused: list[str]) -> None:
    parsed = parse_prefix(prefix)

    assert [text for text in allowed if not parsed.matches(parse_url(text))] == []
    assert [text for text in refused if parsed.matches(parse_url(text))] == []


def test_a_prefix_for_all_names_below_a_domain_is_for_no_address() -> None:
    assert not parse_prefix("http://*.x").matches(parse_url("http://[::1]/"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "HTTP://h/",
        "ftp://h/",
        "http:///x",
        "http://u@h/",
        "http://h/?x",
        "http://h/#x",
        "http://h/%41",
        "http://h/\n",
        "http://h:0/",
        "http://h:x/",
        "http://127.1/",
        "http://*/",
        "http://*.*.h/",
        "http://*.127.0.0.1/",
        "http://a.*/",
        "**",
    ],
)
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_prefix(text)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("239.255.255.250", False),
        ("255.255.255.255", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fd12::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("4000::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("::127.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::93.184.216.34", True),
        ("2002:7f00:1::1", False),
        ("2001:0:7f00:1::1", False),
    ],
)
def test_public_addresses_are_told_from_others(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    ("address", "host", "prefix", "networks", "allowed"),
    [
        ("93.184.216.34", "h", "http://h/", [], True),
        ("10.0.0.1", "h", "http://h/", [], False),
        ("10.0.0.1", "h", "*", [], False),
        ("10.0.0.1", "10.0.0.1", "*", [], False),
        ("10.0.0.1", "10.0.0.1", "http://", [], False),
        ("10.0.0.1", "10.0.0.1", "http://10.0.0.1/", [], True),
        ("10.0.0.1", "h", "http://10.0.0.1/", [], False),
        ("10.0.0.1", "h", "http://h/", ["10.0.0.0/8"], True),
        ("11.0.0.1", "h", "http://h/", ["10.0.0.0/8"], True),
        ("192.168.0.1", "h", "http://h/", ["10.0.0.0/8"], False),
        ("fd00::1", "h", "http://h/", ["10.0.0.0/8", "fd00::/8"], True),
        ("::ffff:10.0.0.1", "h", "http://h/", ["10.0.0.0/8"], True),
        ("127.0.0.1", "localhost", "http://localhost/", [], True),
        ("::1", "localhost", "http://localhost/", [], True),
        ("10.0.0.1", "localhost", "http://localhost/", [], False),
        ("127.0.0.1", "localhost", "http://", [], False),
        ("127.0.0.1", "a.localhost", "http://*.localhost/", [], False),
        ("::1", "::1", "http://[::1]/", [], True),
    ],
)
def test_addresses_that_are_not_public_must_be_named(
    address: str, host: str, prefix: str, networks: list[str], allowed: bool
) -> None:
    reached = may_reach(
        ipaddress.ip_address(address),
        host,
        prefixes=[parse_prefix(prefix)],
        networks=[ipaddress.ip_network(text) for text in networks],
    )

    assert reached is allowed
