"""Takes the timestamp out of each signature, so that `openssl ts` can judge it: timestamps.py OUT FILE.p7s...

For X.p7s writes OUT/X.p7s.token (the token as it stands in the signature) and OUT/X.p7s.value (the signature value that it stamps).
Reads the DER by itself and so vouches for nothing that Tanba wrote. Exit status 1 when a file has not exactly one token.
"""
import os
import sys

SIGNATURE_TIME_STAMP = bytes.fromhex("2a864886f70d010910020e")  # 1.2.840.113549.1.9.16.2.14


def elements(data):
    """(tag, content, whole) of the DER elements that stand one after the other in data."""
    at = 0
    while at < len(data):
        tag, size, start = data[at], data[at + 1], at + 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[at + 2:start], "big")
        if start + size > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[start:start + size], data[at:start + size]
        at = start + size


def children(content, *path):
    """Descends by the positions of path; the list of elements there."""
    for position in path:
        content = list(elements(content))[position][1]
    return list(elements(content))


def value_and_token(signature):
    # ContentInfo { contentType, [0] { SignedData { ..., SET OF SignerInfo } } }
    signed_data = children(signature, 0, 1, 0)
    signer, = elements(signed_data[-1][1])
    fields = list(elements(signer[1]))
    tag, unsigned, _ = fields[-1]
    if tag != 0xA1:
        raise ValueError("no unsigned attributes")
    found = [children(attribute[1]) for attribute in elements(unsigned)]
    tokens = [list(elements(values[1])) for kind, values in found if kind[1] == SIGNATURE_TIME_STAMP]
    if len(tokens) != 1 or len(tokens[0]) != 1:
        raise ValueError("not exactly one signature timestamp")
    return fields[-2][1], tokens[0][0][2]


out, failed = sys.argv[1], False
for path in sys.argv[2:]:
    try:
        with open(path, "rb") as file:
            value, token = value_and_token(file.read())
    except (ValueError, IndexError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        failed = True
        continue
    name = os.path.join(out, os.path.basename(path))
    for ending, content in ((".value", value), (".token", token)):
        with open(name + ending, "wb") as file:
            file.write(content)
sys.exit(failed)
