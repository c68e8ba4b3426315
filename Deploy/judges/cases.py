"""Makes cases for the judges of signatures: good files as they are, and the same files with one thing wrong.

    cases.py FOLDER KIND DOCUMENTS SIGNATURES PKI

KIND is a profile of the sandbox; its signatures are SIGNATURES/NAME.p7s for DOCUMENTS/NAME. PKI has ca.pem, tsa-ca.pem, their lists
ca.crl and tsa-ca.crl, and the roots stranger-ca.pem and stranger-tsa-ca.pem, which have the same names and other keys.

Every case is a folder FOLDER/KIND/CASE that needs nothing else:

    document, document.p7s    what is judged
    value                     the octets of the signature value
    token.der                 the timestamp token, if there is one
    ca.pem, tsa-ca.pem        the roots to trust, and their lists: ca.crl, tsa-ca.crl

Cases whose name begins with `good` hold; every other has the fault that its name tells. Stands on Python alone, so that no code of
Tanba's decides where to cut.
"""

import pathlib
import shutil
import sys


class Element:
    """One DER element inside `octets`: from `start` to `end`, its content from `content` on."""

    def __init__(self, octets, start=0):
        self.octets, self.start = octets, start
        first = octets[start + 1]
        count = first & 0x7F if first & 0x80 else 0
        length = int.from_bytes(octets[start + 2 : start + 2 + count], "big") if count else first
        self.tag = octets[start]
        self.content = start + 2 + count
        self.end = self.content + length

    def children(self):
        found, at = [], self.content
        while at < self.end:
            found.append(Element(self.octets, at))
            at = found[-1].end
        return found

    def bytes(self):
        return self.octets[self.start : self.end]

    def content_bytes(self):
        return self.octets[self.content : self.end]


MESSAGE_DIGEST = bytes.fromhex("06092A864886F70D010904")
SIGNATURE_TIME_STAMP = bytes.fromhex("060B2A864886F70D010910020E")


class Signature:
    """Where the parts of a signature file are (RFC 5652, 5.1 and 5.3)."""

    def __init__(self, octets):
        self.octets = octets
        parts = Element(octets).children()[1].children()[0].children()
        self.certificates = next(part for part in parts if part.tag == 0xA0).children()
        signer = parts[-1].children()[0].children()
        signed = next(part for part in signer if part.tag == 0xA0).children()
        self.message_digest = value_of(signed, MESSAGE_DIGEST)
        self.value = next(part for part in signer if part.tag == 0x04)
        unsigned = [part for part in signer if part.tag == 0xA1]
        self.token = value_of(unsigned[0].children(), SIGNATURE_TIME_STAMP) if unsigned else None


def value_of(attributes, kind):
    return next(a.children()[1].children()[0] for a in attributes if a.children()[0].bytes() == kind)


def flipped(octets, at):
    changed = bytearray(octets)
    changed[at] ^= 1
    return bytes(changed)


def faults(good, other):
    """The files with one octet wrong, by the name of the fault; `other` is a good signature of another document."""
    signature = Signature(good)
    found = {
        "digest": flipped(good, signature.message_digest.end - 1),
        "value": flipped(good, signature.value.end - 1),
        # the last octet of a certificate is its issuer's signature's
        "certificate": flipped(good, signature.certificates[0].end - 1),
    }
    if signature.token:
        token = signature.token
        stamp = Signature(token.bytes())
        found["token"] = flipped(good, token.start + stamp.value.end - 1)
        found["foreign-token"] = replaced(good, token, Signature(other).token.bytes())
    return found


def replaced(octets, element, new):
    """`octets` with another element in the place of `element`, and the lengths of all around it made right."""

    def rebuild(around):
        if around.start == element.start and around.end == element.end:
            return new
        if not (around.start <= element.start and element.end <= around.end):
            return around.bytes()
        content = b"".join(rebuild(child) for child in around.children())
        return bytes([around.tag]) + length(len(content)) + content

    return rebuild(Element(octets))


def length(count):
    if count < 0x80:
        return bytes([count])
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def write(folder, document, signature, pki, ca="ca.pem", tsa_ca="tsa-ca.pem"):
    folder.mkdir(parents=True)
    (folder / "document").write_bytes(document)
    (folder / "document.p7s").write_bytes(signature)
    parts = Signature(signature)
    (folder / "value").write_bytes(parts.value.content_bytes())
    if parts.token:
        (folder / "token.der").write_bytes(parts.token.bytes())
    shutil.copy(pki / ca, folder / "ca.pem")
    shutil.copy(pki / tsa_ca, folder / "tsa-ca.pem")
    for name in ("ca.crl", "tsa-ca.crl"):
        shutil.copy(pki / name, folder / name)


def main(folder, kind, documents, signatures, pki):
    folder = folder / kind
    names = sorted(path.name for path in documents.iterdir())
    files = [((documents / name).read_bytes(), (signatures / (name + ".p7s")).read_bytes()) for name in names]
    for index, (document, signature) in enumerate(files):
        if (Signature(signature).token is not None) != kind.endswith("-t"):
            sys.exit(f"{kind}: {names[index]}.p7s has {'a' if kind.endswith('-b') else 'no'} timestamp")
        write(folder / f"good-{index + 1}", document, signature, pki)
    # the longest document, so that there is an octet to change
    document, signature = max(files, key=lambda file: len(file[0]))
    other = next(file for file in files if file[0] != document)[1]
    write(folder / "document", flipped(document, len(document) // 2), signature, pki)
    for fault, changed in faults(signature, other).items():
        write(folder / fault, document, changed, pki)
    write(folder / "stranger", document, signature, pki, ca="stranger-ca.pem")
    if kind.endswith("-t"):
        write(folder / "stranger-authority", document, signature, pki, tsa_ca="stranger-tsa-ca.pem")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], *map(pathlib.Path, sys.argv[3:]))
