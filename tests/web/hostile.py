"""What an attacker sends, and how an answer gives itself away: one table of texts, bodies and files, one judge of pages.

It knows no route: these are found in the OpenAPI document and in the forms of the pages (see test_hostile.py).
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from hayon.web.frame import SECURITY_HEADERS
from tests.media.drawing import png_bomb
from tests.web.house import Answer

MARK = "evil4711"
"""Stands in whatever could become an element, an attribute, a script, a header or an address."""
NOBODY = "0198c2f4-7d1e-7c3a-9b52-3f6a1c0d8e4b"

TEXTS = {
    "script": f"<script>{MARK}()</script>",
    "image": f"<img src=x onerror={MARK}()>",
    "attribute": f'" onmouseover="{MARK}()" {MARK}="',
    "single quotes": f"' autofocus onfocus='{MARK}()",
    "backticks": f"` onfocus=`{MARK}()",
    "closing": f"</textarea></title></style></script></option><{MARK} a=b>",
    "drawing": f"<svg/onload={MARK}()><math><mi//xlink:href='javascript:{MARK}()'>",
    "comment": f"--><{MARK}><!--{MARK}",
    "escaped already": f"&lt;{MARK}&gt;&#60;{MARK}&#62;&#x3c;{MARK}&#x3e;",
    "script address": f"javascript:{MARK}()//https://example.org",
    "script address in white space": f" \tjava\nscript:{MARK}()",
    "data address": f"data:text/html;base64,PHNjcmlwdD4=<{MARK}>",
    "address": f"https://example.org/{MARK}?a=<b>&c='\"",
    "template": "{{77347*91807}}{% raw %}${77347*91807}#{77347*91807}<%=77347*91807%>{{config}}*{77347*91807}",
    "format": "%s%n%(password)s{0.__class__.__mro__}{person.email}\\u003cscript\\u003e",
    "query": "'; DROP TABLE posts; -- \" OR 1=1 /* \\' %27",
    "path": "../../../../../../etc/passwd",
    "path with NUL": "..%2f..%2f..%2fetc%2fpasswd%00.png",
    "header": f"x\r\nSet-Cookie: {MARK}=1\r\nX-{MARK}: 1\r\n\r\n<{MARK}>",
    "control characters": "\x01\x07\x08\x0b\x0c\x1b[31m\x1b]0;title\x07\x7f\x80\x85\x9b",
    "line separators": "a\u2028b\u2029c\x0bd\x1ee",
    "NUL": f"a\x00<{MARK}>",
    "half a pair": "a\ud800b\udfff",
    "right to left": "\u202e\u2067\u061c\u200fabc\u202d",
    "invisible": "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u034f",
    "tags": "\U000e0041\U000e0042\U000e007f",
    "no characters": "\ufffe\uffff\U0010ffff\ufdd0",
    "combining": "a" + "\u0301" * 99_999,
    "family": "👨\u200d👩\u200d👧\u200d👦" * 2_000,
    "long": "x" * 99_999,
    "too long": "x" * 200_000,
    "white": " \u00a0\u3000\u2003\t\r\n ",
    "numbers": "9" * 5_000,
    "nothing": "",
}  # fmt: skip
DEEP = 100_000
BODIES: dict[str, tuple[bytes, str]] = {
    "deep lists": (b"[" * DEEP + b"]" * DEEP, "application/json"),
    "deep objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "application/json"),
    "deep and cut off": (b"[" * DEEP, "application/json"),
    "deep inside": (b'{"content":{"options":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}}", "application/json"),
    "large number": (b'{"maxLatenessSeconds":' + b"9" * 5_000 + b"}", "application/json"),
    "larger number": (b"9" * 500_000, "application/json"),
    "number beyond": (b'{"size":1e999999,"version":-1e999999}', "application/json"),
    "no numbers": (b'{"size":NaN,"version":Infinity,"maxLatenessSeconds":-Infinity}', "application/json"),
    "the same name twice": (b'{"content":{"text":"a"},"content":{"text":"b"},"name":"a","name":5}', "application/json"),
    "reserved names": (b'{"__proto__":{"a":1},"constructor":1,"__class__":1,"self":1,"model_config":1}', "application/json"),
    "NUL": (b'{"name":"a\\u0000b"}\x00', "application/json"),
    "halves of pairs": (b'{"\\ud800":"\\udfff"}', "application/json"),
    "no UTF-8": (b'{"name":"\xff\xfe\xc0\x80\xed\xa0\x80"}', "application/json"),
    "UTF-16": ('{"name":"a"}').encode("utf-16"),
    "null": (b"null", "application/json"),
    "text": (b'"a"', "application/json"),
    "number": (b"-0", "application/json"),
    "list": (b"[[],{}]", "application/json"),
    "nothing": (b"", "application/json"),
    "white space": (b" " * 900_000, "application/json"),
    "half": (b'{"name":"a', "application/json"),
    "comments": (b"{/* a */}", "application/json"),
    "many names": (json.dumps({f"n{n}": n for n in range(20_000)}).encode(), "application/json"),
    "many entries": (b"[" + b"1," * 400_000 + b"1]", "application/json"),
    "packed": (gzip.compress(bytes(5_000_000)), "application/json"),
    "other letters": (b"{}", "application/json; charset=utf-7"),
    "letters that are none": (b"{}", f"application/json; charset={MARK}"),
    "XML": (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "application/xml"),
    "fields": (b"a=b&" * 100_000, "application/x-www-form-urlencoded"),
    "fields that are no letters": (b"text=%ff%fe%00%ed%a0%80&csrf=%&%=%zz", "application/x-www-form-urlencoded"),
    "parts without an end": (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', "multipart/form-data; boundary=b"),
    "parts without a boundary": (b"--b\r\n\r\n--b--", "multipart/form-data"),
    "parts without names": (b"--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
    "many parts": (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 5_000 + b"--b--\r\n", "multipart/form-data; boundary=b"),
    "a part's endless head": (b"--b\r\nX: " + b"a" * 500_000 + b"\r\n\r\n--b--", "multipart/form-data; boundary=b"),
    "a long boundary": (b"--b--", "multipart/form-data; boundary=" + "b" * 5_000),
    "kind": (b"{}", f"<{MARK}>"),
}  # fmt: skip
BODIES["UTF-16"] = ('{"name":"a"}'.encode("utf-16"), "application/json")

HEADERS: dict[str, dict[str, str]] = {
    "Idempotency-Key": {"Idempotency-Key": f"<script>{MARK}()</script>"},
    "correlation": {"X-Correlation-Id": f"<{MARK}>"},
    "trace": {"traceparent": "00-" + "f" * 500, "tracestate": MARK},
    "accept": {"Accept": f"text/html, <{MARK}>"},
    "range": {"Range": "bytes=99999999999999999999-1,0-0,-0,a-b"},
    "conditions": {"If-None-Match": "*", "If-Modified-Since": "9" * 100, "If-Range": MARK, "Expect": MARK},
    "method": {"X-HTTP-Method-Override": "DELETE"},
    "forwarded": {"X-Forwarded-For": f"<{MARK}>, 127.0.0.1", "Forwarded": f"for={MARK}", "X-Real-IP": MARK, "X-Forwarded-Host": MARK},
    "cookies": {"Cookie": f"{MARK}=1; =; ;;;=" + "a" * 3_000},
}  # fmt: skip

_ZIP = b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18)
_HTML = f"<html><script>{MARK}()</script></html>".encode()
FILES: dict[str, tuple[str, bytes]] = {
    "pixels beyond": ("image/png", png_bomb(40_000)),
    "HTML": ("image/png", _HTML),
    "HTML as a JPEG": ("image/jpeg", b"\xff\xd8\xff\xe0" + _HTML),
    "HTML as a GIF": ("image/gif", b"GIF89a" + _HTML),
    "drawing": ("image/svg+xml", f"<svg xmlns='http://www.w3.org/2000/svg' onload='{MARK}()'/>".encode()),
    "drawing as a picture": ("image/png", f"<svg xmlns='http://www.w3.org/2000/svg' onload='{MARK}()'/>".encode()),
    "archive": ("image/png", _ZIP),
    "archive in a picture": ("image/png", png_bomb(8) + _ZIP),
    "HTML behind a picture": ("image/png", png_bomb(8) + _HTML),
    "text said of a picture": ("image/png", png_bomb(8)[:33] + b"\x00\x00\x00\x10tEXt" + _HTML[:16] + bytes(4) + png_bomb(8)[33:]),
    "film": ("video/mp4", b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 500),
    "film of lies": ("video/mp4", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\xff\xff\xff\xffmoov" + bytes(100)),
    "half a picture": ("image/png", png_bomb(64)[:60]),
    "WebP of lies": ("image/webp", b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 40),
    "GIF of lies": ("image/gif", b"GIF89a\xff\xff\xff\xff\xf7\x00\x00" + bytes(1000)),
    "nothing": ("image/png", b"\x00"),
}  # fmt: skip
NAMES = ["../../../etc/passwd", "a\x00.png", 'a"; x="y.png', f"<{MARK}>.png", "x\r\nX-Evil: 1.png", "\u202egnp.exe", "a" * 5_000, "/", ".", "", "CON", "C:\\a.png"]  # fmt: skip

_LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|sqlalchemy|aiosqlite|asyncpg|sqlite3|pydantic|starlette|uvicorn"
    r"|\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b|\bhayon\.[a-z_]+\.|object at 0x|<class |[a-z]Error\b|[a-z]Exception\b"
    r"|NoneType|UNIQUE constraint|/home/|/tmp/|/usr/lib|__\w+__"
)


def told_too_much(answer: Answer, sent: str, *private: str) -> str:
    """What of the inside an answer gives away and was not itself sent: kinds of errors, places in code, SQL, paths, secrets."""
    text = answer.text
    for found in _LEAKS.finditer(text):
        if found[0] not in sent:
            return text[max(0, found.start() - 60) : found.end() + 60]
    return next((secret for secret in private if secret in text), "")


def frame_of(answer: Answer) -> list[str]:
    """Which of the headers that every answer carries are missing or weaker than they should be."""
    missing = [name for name in SECURITY_HEADERS if name not in answer.headers]
    policy = answer.headers.get("Content-Security-Policy", "")
    missing += ["a script of anybody's"] * ("unsafe" in policy or "*" in policy or "default-src 'none'" not in policy)
    missing += ["nosniff"] * (answer.headers.get("X-Content-Type-Options") != "nosniff")
    missing += [f"a header named {MARK}"] * any(MARK in name.lower() for name in answer.headers)
    missing += [f"a cookie named {MARK}"] * answer.headers.get("Set-Cookie", "").startswith(MARK)
    return missing


_WORDS = frozenset({"value", "alt", "title", "aria-label", "placeholder", "content", "label", "summary", "datetime"})
"""Attributes that hold words of people and do nothing with them."""
_LEADS = frozenset({"href", "src", "action", "formaction", "poster", "cite", "data", "srcset", "ping", "background"})
_DOES = frozenset({"style", "srcdoc", "http-equiv", "is", "ping", "formtarget", "nonce", "xlink:href"})


_OUR_DRAWINGS = {"icon", "mark", "visually-hidden", "chart"}
"""The classes of the drawings that our own templates make."""


class Judged(HTMLParser):
    """A page read as a browser reads it. `faults` is what somebody's words became beside words; `words` are its words."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.forms: list[dict[str, Any]] = []
        self.links: set[str] = set()
        self._said: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    @property
    def words(self) -> str:
        """All text of the page, and the values of its fields."""
        return "\n".join(self._said)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Judges an element and what it says of itself."""
        facts = {name: value or "" for name, value in attrs}
        self._inside = tag
        if MARK in tag or tag in {"object", "embed", "iframe", "base", "math", "applet", "style"}:
            self.faults.append(f"<{tag}>")
        if tag == "svg" and facts.get("class", "").partition(" ")[0] not in _OUR_DRAWINGS:
            self.faults.append(f"<{tag}>")
        if tag == "script" and not facts.get("src", "").startswith("/static/"):
            self.faults.append(f"<script> {facts}")
        for name, value in facts.items():
            if name.startswith("on") or name in _DOES or MARK in name:
                self.faults.append(f"{name}={value[:80]!r} of <{tag}>")
            if name in _LEADS and not _is_harmless(value, tag):
                self.faults.append(f"{name}={value[:80]!r} of <{tag}>")
            if MARK in value and name not in _WORDS | _LEADS and not name.startswith("data-"):
                self.faults.append(f"{name}={value[:80]!r} of <{tag}>")
            if name in _WORDS:
                self._said.append(value)
        if tag == "a" and facts.get("href", "").startswith("/"):
            self.links.add(facts["href"])
        self._note_form(tag, facts)

    def handle_data(self, data: str) -> None:
        """Notes words; those inside a script would be orders."""
        if self._inside == "script" and data.strip():
            self.faults.append(f"in a script: {data[:80]!r}")
        self._said.append(data)

    def handle_endtag(self, tag: str) -> None:
        """What comes behind a script is not in it."""
        self._inside = ""

    def handle_comment(self, data: str) -> None:
        """Our pages have none."""
        self.faults.append(f"comment {data[:80]!r}")

    def handle_decl(self, decl: str) -> None:
        """Only the first line is one."""
        if decl.lower() != "doctype html":
            self.faults.append(f"declaration {decl[:80]!r}")

    def unknown_decl(self, data: str) -> None:
        """There are none."""
        self.faults.append(f"declaration {data[:80]!r}")

    def handle_pi(self, data: str) -> None:
        """There are none."""
        self.faults.append(f"instruction {data[:80]!r}")

    def _note_form(self, tag: str, facts: Mapping[str, str]) -> None:
        if tag == "form":
            many = facts.get("enctype") == "multipart/form-data"
            method = facts.get("method", "get").upper()
            self.forms.append({"action": facts.get("action", ""), "method": method, "parts": many, "fields": {}, "buttons": []})  # fmt: skip
        if not self.forms or not facts.get("name"):
            return
        form = self.forms[-1]
        if tag == "button":
            form["buttons"].append((facts["name"], facts.get("value", "")))
        elif tag in {"input", "textarea", "select"}:
            form["fields"][facts["name"]] = (facts.get("type", "text"), facts.get("value", ""))


def _is_harmless(address: str, tag: str) -> bool:
    if tag == "use":
        return address.startswith("#mark-")
    if tag == "a":
        return address.startswith(("/", "#", "https://", "http://")) and not address.startswith("//")
    return address.startswith("/") and not address.startswith("//") and MARK not in address


def operations_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every operation of an OpenAPI document: method, path, and what it says of it."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


class Shapes:
    """Bodies made to the shapes of an OpenAPI document, with one text of the attacker's in one place."""

    def __init__(self, document: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self._values = values

    def of(self, operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The shape of its JSON body; None where it takes none."""
        content = operation.get("requestBody", {}).get("content", {})
        shape: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
        return shape

    def places(self, shape: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, ...]]:
        """Every place of a body in which text may stand, names of free fields among them."""
        shape = self._plain(shape)
        if shape.get("type") == "string" and "enum" not in shape:
            yield ()
        elif shape.get("type") == "array" and depth < 6:
            yield from (("[]", *rest) for rest in self.places(shape.get("items", {"type": "string"}), depth + 1))
        elif shape.get("type") == "object" and depth < 6:
            for name, inner in shape.get("properties", {}).items():
                yield from ((name, *rest) for rest in self.places(inner, depth + 1))
            if "properties" not in shape:
                yield ("{name}",)
                free = shape.get("additionalProperties")
                inner = free if isinstance(free, dict) and free else {"type": "string"}
                yield from (("{}", *rest) for rest in self.places(inner, depth + 1))

    def make(self, shape: Mapping[str, Any], aim: tuple[str, ...] | None, text: str, name: str = "") -> Any:
        """A body that fits but for the text at the place aimed at; optional fields are there only on the way to it."""
        shape = self._plain(shape)
        if aim == ():
            return text
        if aim is None and name in self._values:
            return self._values[name]
        step, rest = (aim[0], aim[1:]) if aim else ("", None)
        match shape.get("type"):
            case "object":
                if step == "{name}":
                    return {text: "x"}
                if step == "{}":
                    free = shape.get("additionalProperties")
                    return {
                        "bluesky": self.make(
                            free if isinstance(free, dict) and free else {"type": "string"}, rest, text
                        )
                    }
                wanted = {*shape.get("required", ()), step}
                properties = shape.get("properties", {})
                return {
                    one: self.make(inner, rest if one == step else None, text, one)
                    for one, inner in properties.items()
                    if one in wanted
                } | self._beside(properties, step)
            case "array":
                many = 1 if aim is not None or shape.get("minItems") else 0
                return [self.make(shape.get("items", {}), rest, text, name) for _ in range(many)]
            case "integer" | "number":
                return max(1, shape.get("minimum", 1))
            case "boolean":
                return False
        if "enum" in shape or "const" in shape:
            return shape.get("const", shape.get("enum", [""])[0])
        if shape.get("format") == "uuid":
            return NOBODY
        return shape.get("examples", ["hello"])[0]

    def _beside(self, properties: Mapping[str, Any], step: str) -> dict[str, Any]:
        """What a post needs beside its words to be taken in."""
        return {one: self._values[one] for one in ("selectedPlatforms", "draft") if one in properties and one != step}

    def _plain(self, shape: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in shape:
            shape = self._schemas[shape["$ref"].rsplit("/", 1)[1]]
        for several in ("anyOf", "oneOf", "allOf"):
            if several in shape:
                fit = [one for one in shape[several] if one.get("type") != "null"]
                return self._plain(fit[0])
        return shape
