"""Names of programs are made plain, and globs are held against that."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry.program_globs import absolute, is_allowed, is_plain, program_named


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("php", "php"),
        (".", "."),
        ("a b", "a b"),
        ("/bin/sh", "/bin/sh"),
        ("//bin//sh/", "/bin/sh"),
        ("///bin/./x/../sh", "/bin/sh"),
        ("./x", "/srv/app/x"),
        ("bin/x", "/srv/app/bin/x"),
        ("../x", "/srv/x"),
        ("../../../../bin/sh", "/bin/sh"),
        ("/..", "/"),
    ],
)
def test_a_name_is_a_bare_word_or_an_absolute_path(word: str, named: str) -> None:
    assert program_named(word, folder="/srv/app") == named


@pytest.mark.parametrize("word", ["", "\0", "/bin/sh\0"])
def test_what_can_be_no_name_is_told(word: str) -> None:
    with pytest.raises(ValueError, match="the name of the program"):
        program_named(word, folder="/")


@given(st.text(alphabet="/.ab*", max_size=30), st.text(alphabet="/.ab", max_size=10))
def test_an_absolute_path_climbs_nowhere_and_stays_as_it_is(path: str, folder: str) -> None:
    found = absolute(path, folder=f"/{folder}")

    assert found.startswith("/")
    assert not {".", ".."} & set(found.split("/"))
    assert found == absolute(found, folder="/other") == posixpath.normpath(found)


@pytest.mark.parametrize(
    ("globs", "allowed", "refused"),
    [
        (["*"], ["php", "/bin/sh"], []),
        (["p*", "s?"], ["php", "p", "sh"], ["sh1", "/p", "PHP"]),
        (["**"], ["php"], ["/bin/sh"]),
        (["/bin/*"], ["/bin/sh", "/bin/.x"], ["sh", "/bin", "/bin/a/b", "/", "/usr/bin/sh"]),
        (["/bin/**"], ["/bin/sh", "/bin/a/b", "/bin"], ["/binx", "/"]),
        (["/**/x"], ["/x", "/a/x", "/a/b/x"], ["/a/xx", "x"]),
        (["/a/*/c"], ["/a/b/c"], ["/a/c", "/a/b/b/c"]),
        (["/a[12]/x"], ["/a1/x"], ["/a3/x", "/a[12]/x"]),
        ([], [], ["php", "/bin/sh"]),
    ],
)
def test_globs_stay_within_a_word_or_a_folder(globs: list[str], allowed: list[str], refused: list[str]) -> None:
    assert [name for name in allowed if not is_allowed(name, globs)] == []
    assert [name for name in refused if is_allowed(name, globs)] == []


def test_a_glob_without_wildcards_names_one_program() -> None:
    assert [glob for glob in ("php", "/bin/sh", "p*", "p?", "[p]hp") if is_plain(glob)] == ["php", "/bin/sh"]
