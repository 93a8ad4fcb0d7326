"""ID tokens: our key, and what we sign about who allowed an app.

Source: OpenID Connect Core 1.0 §2, §3.1.3.6 (`at_hash`), §15.1 (RS256 must be there); HL7 SMART
App Launch 2.2.0, "Scopes for requesting identity data" (`fhirUser`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from authlib.oidc.core.util import create_half_hash  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import RSAKey

from citycare.kit import keyfile

KEY_FILE = "smart_id.jwk"
ALGORITHM = "RS256"
BITS = 3072
LIFE_S = 300


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs ID tokens as this issuer."""

    issuer: str
    key: RSAKey

    def jwks(self) -> dict[str, Any]:
        """Return the public keys, as they are published."""
        return {"keys": [dict(self.key.as_dict(private=False))]}

    def sign(
        self,
        account_id: UUID,
        client_id: UUID,
        *,
        access_token: str,
        nonce: str,
        fhir_user: str | None,
        now: datetime,
    ) -> str:
        """Write an ID token: who signed in, for which client, at which request (`nonce`)."""
        issued = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": str(account_id),
            "aud": str(client_id),
            "iat": issued,
            "exp": issued + LIFE_S,
            "at_hash": create_half_hash(access_token, ALGORITHM).decode(),
        }
        if nonce:
            claims["nonce"] = nonce
        if fhir_user is not None:
            claims["fhirUser"] = fhir_user
        return jwt.encode({"alg": ALGORITHM, "kid": self.key.kid}, claims, self.key)


@cache
def signer_of(home: Path, issuer: str) -> Signer:
    """Return the signer of this installation; the first call anywhere makes the key (0.3 s)."""
    made = keyfile.keep(home / KEY_FILE, _new_key)
    return Signer(issuer, RSAKey.import_key(orjson.loads(made)))


def _new_key() -> bytes:
    key = RSAKey.generate_key(BITS, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return orjson.dumps(key.as_dict(private=True))
