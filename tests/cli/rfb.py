#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A viewer of screens, as small as it can be: RFB 3.8 (RFC 6143), raw rectangles.

    rfb.py SOCKET | HOST:PORT [PASSWORD]

Prints "WIDTHxHEIGHT COLOURS [by password]", COLOURS being how many the pixels of the screen have.
"""
import ctypes
import ctypes.util
import socket
import struct
import sys


def des(password, challenge):
    """The answer to a challenge: DES by the password, the bits of whose bytes are turned round."""
    nettle = ctypes.CDLL(ctypes.util.find_library("nettle") or "libnettle.so.8")
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode().ljust(8, b"\0")[:8])
    context, answer = ctypes.create_string_buffer(512), ctypes.create_string_buffer(16)
    nettle.nettle_des_set_key(context, key)
    nettle.nettle_des_encrypt(context, ctypes.c_size_t(16), answer, challenge)
    return answer.raw


def exactly(conn, size):
    data = b""
    while len(data) < size:
        piece = conn.recv(size - len(data))
        if not piece:
            sys.exit("the connection ended")
        data += piece
    return data


def main():
    where = sys.argv[1]
    if "/" in where:
        conn = socket.socket(socket.AF_UNIX)
        conn.connect(where)
    else:
        host, port = where.rsplit(":", 1)
        conn = socket.create_connection((host, int(port)))
    conn.settimeout(30)
    banner = exactly(conn, 12)
    if not banner.startswith(b"RFB 003."):
        sys.exit(f"no RFB: {banner!r}")
    conn.sendall(b"RFB 003.008\n")
    kinds = exactly(conn, exactly(conn, 1)[0])
    kind = 1 if 1 in kinds else 2
    conn.sendall(bytes([kind]))
    if kind == 2:
        conn.sendall(des(sys.argv[2] if len(sys.argv) > 2 else "", exactly(conn, 16)))
    if struct.unpack(">I", exactly(conn, 4))[0] != 0:
        sys.exit("refused")
    conn.sendall(b"\1")
    width, height = struct.unpack(">HH", exactly(conn, 4))
    exactly(conn, struct.unpack(">I", exactly(conn, 20)[16:])[0])
    # 32 bits a pixel, and all of the screen.
    conn.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
    conn.sendall(struct.pack(">BxHi", 2, 1, 0) + struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    pixels, left = set(), width * height
    while left > 0:
        kind = exactly(conn, 1)[0]
        if kind != 0:
            sys.exit(f"message {kind}")
        for _ in range(struct.unpack(">xH", exactly(conn, 3))[0]):
            _, _, w, h, encoding = struct.unpack(">HHHHi", exactly(conn, 12))
            if encoding != 0:
                sys.exit(f"encoding {encoding}")
            data = exactly(conn, w * h * 4)
            pixels |= {data[i : i + 3] for i in range(0, len(data), 4)}
            left -= w * h
    print(f"{width}x{height} {len(pixels)}" + ("" if 1 in kinds else " by password"))


main()
