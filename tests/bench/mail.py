"""Mailboxes for the measurements: made up, the same at each run, with headers and lines as mail has them."""

from __future__ import annotations

import base64
import os
import random
import shutil
import time
from pathlib import Path

from tests.host import Account

_OLD_S = 100_000  # C popa3d waits a second where a mailbox is younger than one
_WORDS = (
    b"the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one "
    b"you were all her she there would their we him been has when who will no more if out so up said what its about than into "
    b"harbour ledger meeting tomorrow attached kindly invoice schedule ship captain crane pallet receipt number question"
).split()


def _pool(dice: random.Random) -> list[bytes]:
    """Lines of text, now and then one that begins with a dot, which has to be stuffed."""
    lines = []
    for i in range(20_000):
        line = b""
        while len(line) < 64:
            line += dice.choice(_WORDS) + b" "
        lines.append((b"." if i % 500 == 0 else b"") + line.rstrip() + b"\n")
    return lines


def _received(dice: random.Random, hop: int) -> bytes:
    return (
        b"Received: from mail-%d.shipyard.example (mail-%d.shipyard.example. [192.0.2.%d])\n"
        b"        by mx.harbour.example with ESMTPS id %022x\n"
        b"        for <someone@mail.example>\n"
        b"        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);\n"
        b"        Mon, 17 Nov 2025 08:12:%02d -0800 (PST)\n"
    ) % (hop, hop, hop, dice.getrandbits(88), hop)


def _signature(dice: random.Random) -> bytes:
    """What RSA with 2048 bits gives, in base64 and folded."""
    text = base64.b64encode(dice.randbytes(256))
    return b"\n\t ".join(text[start : start + 72] for start in range(0, len(text), 72))


def _signed(dice: random.Random) -> bytes:
    """3.4 kB of header fields, as mail gets them that went through large providers."""
    results = (
        b"       dkim=pass header.i=@shipyard.example header.s=s1 header.b=abcdefgh;\n"
        b"       spf=pass (harbour.example: domain of a@shipyard.example designates 192.0.2.1 as permitted sender)"
        b" smtp.mailfrom=a@shipyard.example;\n"
        b"       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=shipyard.example\n"
    )
    return b"".join((
        b"X-Received: by 2002:a05:6402:1234 with SMTP id %022x;\n" % dice.getrandbits(88),
        b"        Mon, 17 Nov 2025 08:12:44 -0800 (PST)\n",
        b"ARC-Seal: i=1; a=rsa-sha256; t=1700000000; cv=none; d=harbour.example; s=arc;\n        b=%s\n" % _signature(dice),
        b"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=harbour.example; s=arc;\n"
        b"        h=mime-version:subject:message-id:to:from:date:dkim-signature;\n        b=%s\n" % _signature(dice),
        b"ARC-Authentication-Results: i=1; mx.harbour.example;\n" + results,
        *[_received(dice, hop) for hop in (2, 3)],
        b"Authentication-Results: mx.harbour.example;\n" + results,
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example;\n\tb=%s\n" % _signature(dice),
        *[_received(dice, hop) for hop in (4, 5)],
    ))  # fmt: skip


def _message(dice: random.Random, pool: list[bytes], number: int, octets: int, signed: bool) -> bytes:
    who = b"%s@%s.example" % (dice.choice(_WORDS), dice.choice(_WORDS))
    name = b"%032x" % dice.getrandbits(128)
    head = (
        b"From %s Mon Nov 17 08:%02d:%02d 2025\n"
        b"Return-Path: <%s>\n"
        b"Delivered-To: someone@mail.example\n"
        b"Received: from mx.shipyard.example (mx.shipyard.example [192.0.2.25])\n"
        b"\tby mail.example (Postfix) with ESMTPS id %s\n"
        b"\tfor <someone@mail.example>; Mon, 17 Nov 2025 08:12:44 +0000 (UTC)\n"
        b"%sDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shipyard.example;\n"
        b"\th=from:to:subject:date:message-id; b=%s\n"
        b"From: %s\nTo: someone@mail.example\nSubject: %s %d\nDate: Mon, 17 Nov 2025 08:12:31 +0000\n"
        b"Message-ID: <%s@shipyard.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n"
    ) % (
        who,
        number // 60 % 60,
        number % 60,
        who,
        name[:11],
        _signed(dice) if signed else b"",
        name * 2,
        who,
        dice.choice(_WORDS),
        number,
        name,
    )
    body = []
    left = octets - len(head) - 1
    at = dice.randrange(len(pool))
    while left > 0:
        line = pool[at % len(pool)]
        line = line if len(line) <= left else line[-left:]
        body.append(line)
        left -= len(line)
        at += 1
    return head + b"".join(body) + b"\n"


def write(path: Path, messages: int, octets: int, seed: str = "popa3d", signed: bool = False) -> Path:
    """A mailbox of so many messages, each of about `octets` octets; `path`. signed: with headers of 4 kB, not 0.7."""
    dice = random.Random(seed)
    pool = _pool(dice)
    with path.open("wb") as file:
        for number in range(messages):
            file.write(_message(dice, pool, number, octets, signed))
    return path


def _dress(path: Path, account: Account, age_s: float) -> None:
    os.chown(path, account.uid, 8)
    path.chmod(0o660)
    then = time.time() - age_s
    os.utime(path, (then, then))


def deliver(made: Path, account: Account) -> Path:
    """A copy of the mailbox `made` for this account, a new file; its path."""
    path = Path("/var/mail", account.name)
    path.unlink(missing_ok=True)
    shutil.copyfile(made, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())  # or the next who syncs would pay for it
    _dress(path, account, _OLD_S)
    return path


def add(path: Path, account: Account, messages: int, octets: int, count: int, signed: bool = False) -> None:
    """`messages` more, as the `count`th delivery (1 or more): all differ, and each makes the mailbox younger."""
    more = write(path.with_name("more"), messages, octets, f"more {account.name} {count}", signed)
    with path.open("ab") as file:
        file.write(more.read_bytes())
    more.unlink()
    _dress(path, account, _OLD_S - 10 * count)
