"""An SMTP server that keeps what it is given: a program for a namespace of the rehearsal, and what a test asks it.

It demands STARTTLS and a login, as the ones of mail providers do. Each mail is one JSON line on standard output.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Keep:
    """aiosmtpd's handler: tells what came, with whose login."""

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content or b""
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": content.decode(errors="replace") if isinstance(content, bytes) else content,
            "login": list(session.auth_data),
            "tls": session.ssl is not None,
        }
        print(json.dumps(mail), flush=True)
        return "250 kept"


def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    """Everybody may: who it was is told with the mail."""
    assert isinstance(data, LoginPassword)
    return AuthResult(success=True, auth_data=(data.login.decode(), data.password.decode()))


async def serve(address: str, port: int, chain: str, key: str) -> None:
    """Until this process is ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)

    def talk() -> SMTP:
        return SMTP(
            Keep(),
            hostname="smtp.test",
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=check,
        )

    server = await asyncio.get_running_loop().create_server(talk, address, port)
    print(json.dumps({"listening": True}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
