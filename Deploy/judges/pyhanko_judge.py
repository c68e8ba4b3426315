"""pyHanko's verdict on cases (cases.py): pyhanko_judge.py CASE-FOLDER…

One line a case: the folder, `accepted` or `refused`, and what pyHanko says, with tabs between. Whatever is no verdict ends the program.
Signature, chain and authority must hold, and by the lists none may be revoked. Nothing is fetched.
"""

import asyncio
import logging
import pathlib
import sys

from asn1crypto import cms, crl, pem, x509
from pyhanko.sign.general import CMSExtractionError
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext


def context(case, root):
    certificate = x509.Certificate.load(pem.unarmor((case / f"{root}.pem").read_bytes())[2])
    revocations = crl.CertificateList.load((case / f"{root}.crl").read_bytes())
    return ValidationContext(trust_roots=[certificate], crls=[revocations], allow_fetching=False, revocation_mode="require")


def judge(case):
    try:
        # strict: nothing may follow
        content = cms.ContentInfo.load((case / "document.p7s").read_bytes(), strict=True)
        status = asyncio.run(
            async_validate_detached_cms(
                (case / "document").read_bytes(), content["content"],
                signer_validation_context=context(case, "ca"), ts_validation_context=context(case, "tsa-ca"),
            )
        )
    except (SignatureValidationError, CMSExtractionError, ValueError) as error:
        return False, f"{type(error).__name__}: {error}"
    stamp = status.timestamp_validity
    if case.parent.name.endswith("-t"):
        if stamp is None:
            return False, "no timestamp"
        if not (stamp.valid and stamp.intact and stamp.trusted):
            return False, f"timestamp: {stamp.summary()}"
    elif stamp is not None:
        return False, "a timestamp"
    return status.bottom_line, status.summary()


logging.disable(logging.CRITICAL)
for name in sys.argv[1:]:
    accepted, words = judge(pathlib.Path(name))
    print(name, "accepted" if accepted else "refused", " ".join(words.split()), sep="\t", flush=True)
