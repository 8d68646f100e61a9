#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages in the manner of vttest, and screens compared cell by cell.

    pages.py write DIR              write the pages, one file each
    pages.py compare ROWS A B       compare the first ROWS lines of two `tmux capture-pane -e -N -p`
    pages.py hostile FILE           write what no terminal should be sent
    pages.py harmless FILE          check what a terminal was sent
"""
import random
import re
import sys

ESC = "\033"
CSI = ESC + "["


def at(row, column):
    return f"{CSI}{row};{column}H"


def frame():
    """vttest's first page: a screen of E, a hole in it, borders drawn by moving the cursor."""
    out = ESC + "#8" + at(9, 10) + CSI + "1J" + at(18, 60) + CSI + "0J" + CSI + "1K"
    for row in range(10, 17):
        out += at(row, 71) + CSI + "0K" + at(row, 9) + CSI + "1K"
    for column in range(1, 81):
        out += at(1, column) + "*" + at(24, column) + "*"
    for row in range(2, 24):
        out += at(row, 1) + "*" + CSI + "78C*" + CSI + "80D" + CSI + "3C|" + ESC + "[1B" + CSI + "1A"
    return out + at(12, 12) + "leading zeros" + CSI + "00000000004;000000020H#" + at(14, 30) + CSI + "2\b2Cb"


def wrapping():
    out = CSI + "2J" + at(1, 1)
    for i in range(8):
        out += at(3 + i, 75 + i % 6) + "wrap%d" % i
    # Moving left from a full last column: xterm counts from that column, tmux from behind it. Not asked.
    out += at(14, 79) + "x" + CSI + "D" + "y" + at(16, 78) + "ab\bc" + at(18, 80) + "Q" + at(18, 70) + CSI + "Kz"
    out += CSI + "?7l" + at(20, 70) + "without any wrapping at all" + CSI + "?7h"
    return out + at(22, 1) + "tab\tstop\tstop" + at(23, 1) + CSI + "3g" + at(23, 20) + ESC + "H" + CSI + "G\tT" + CSI + "Zt"


def scrolling():
    out = CSI + "2J"
    for row in range(1, 25):
        out += at(row, 1) + "line %d" % row
    out += CSI + "5;20r" + at(20, 1) + "\n\n\n" + "pushed up" + at(5, 30) + ESC + "M" + ESC + "M" + "pulled down"
    out += at(10, 1) + CSI + "2L" + "inserted" + at(15, 1) + CSI + "3M" + at(12, 3) + CSI + "2Snew" + CSI + "T"
    out += CSI + "?6h" + at(1, 40) + "origin" + at(99, 40) + "its end" + CSI + "?6l" + CSI + "r"
    out += at(2, 3) + CSI + "4@" + at(3, 3) + CSI + "2P" + at(4, 3) + CSI + "3X" + at(22, 3) + CSI + "4hINS" + CSI + "4l"
    return out + at(24, 1) + ESC + "D" + ESC + "E" + "last"


def colours():
    out = CSI + "2J" + at(1, 1)
    for row, first in enumerate(("", "1;", "4;", "7;", "1;4;", "5;", "3;", "1;7;")):
        out += at(1 + row, 1)
        for colour in range(8):
            out += f"{CSI}0;{first}{30 + colour}mfg{colour}{CSI}0;{first}{40 + colour}mbg{colour}{CSI}m "
    for colour in range(8):
        out += f"{at(10, 1 + colour * 4)}{CSI}{90 + colour}mbr{CSI}0;{100 + colour}mbb{CSI}0m"
    for colour in range(240):
        out += f"{at(12 + colour // 40, 1 + colour % 40 * 2)}{CSI}38;5;{colour + 16}m#{CSI}48;5;{255 - colour}m {CSI}m"
    out += at(20, 1) + CSI + "1;31mbold red" + CSI + "22m not bold" + CSI + "39;4m line" + CSI + "24;7m back" + CSI + "27mplain"
    # Written, not erased: tmux does not tell the colour of what was erased.
    return out + at(22, 5) + CSI + "44m" + " " * 76 + at(23, 5) + "blue" + CSI + "0m"


def characters():
    out = CSI + "2J" + at(2, 2) + ESC + "(0lqqqqwqqqqk" + at(3, 2) + "x    x    x" + at(4, 2) + "mqqqqvqqqqj" + ESC + "(B"
    out += at(6, 2) + "\u250c\u2500\u2510 \u2588\u2592 \u20ac \u03b1\u03b2\u03b3 \u042f \u00e4\u00f6\u00fc"
    out += at(8, 2) + "\u6f22\u5b57 \ud55c\uae00 e\u0301 o\u0308" + at(9, 80) + "\u6f22" + at(11, 5) + "\u6f22\u5b57" + at(11, 6) + "x"
    out += at(13, 2) + ESC + ")0" + "\016tuv\017tuv" + at(15, 2) + "under" + CSI + "5D" + CSI + "1C" + "N"
    return out


def screens():
    out = CSI + "2J" + at(3, 3) + "what was before" + at(5, 5) + CSI + "1;32m" + ESC + "7" + CSI + "0m" + at(9, 9) + "elsewhere"
    out += ESC + "8" + "restored, bold and green" + CSI + "0m" + at(20, 1)
    return out + CSI + "?1049h" + CSI + "2J" + at(1, 1) + "other screen" + CSI + "?1049l" + "back"


PAGES = {f.__name__: f for f in (frame, wrapping, scrolling, colours, characters, screens)}

# DEC's line drawing, as Unicode has it.
GRAPHICS = dict(zip("`afgijklmnopqrstuvwxyz{|}~",
                    "\u25c6\u2592\u00b0\u00b1\u240b\u2518\u2510\u250c\u2514\u253c\u23ba\u23bb\u2500\u23bc\u23bd\u251c\u2524\u2534\u252c\u2502\u2264\u2265\u03c0\u2260\u00a3\u00b7"))


class Look:
    """What tmux's sequences in a captured line set."""

    def __init__(self):
        self.attributes, self.fg, self.bg = set(), None, None

    def take(self, codes):
        codes = [int(c or 0) for c in codes.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.attributes, self.fg, self.bg = set(), None, None
            elif code in (38, 48):
                kind = codes.pop(0)
                value = codes.pop(0) if kind == 5 else tuple(codes.pop(0) for _ in range(3))
                setattr(self, "fg" if code == 38 else "bg", value)
            elif code in (39, 49):
                setattr(self, "fg" if code == 39 else "bg", None)
            elif 30 <= code < 38 or 40 <= code < 48:
                setattr(self, "fg" if code < 40 else "bg", code % 10)
            elif 90 <= code < 98 or 100 <= code < 108:
                setattr(self, "fg" if code < 98 else "bg", code % 10 + 8)
            elif code < 10:
                self.attributes.add(code)
            elif 20 < code < 30:
                self.attributes -= {code - 20, 1 if code == 22 else code - 20}

    def key(self):
        return (frozenset(self.attributes), self.fg, self.bg)


def cells(path, rows):
    """Each row as a list of (text, look); blank ends are cut."""
    screen, look, graphics = [], Look(), False
    for line in open(path, encoding="utf-8", newline="\n").read().split("\n")[:rows]:
        row, blank = [], (" ", Look().key())
        for sgr, mark, char in re.findall(r"\033\[([0-9;]*)m|([\016\017])|(.)", line):
            if mark:
                graphics = mark == "\016"
            elif char:
                row.append((GRAPHICS.get(char, char) if graphics else char, look.key()))
            else:
                look.take(sgr)
        while row and row[-1] == blank:
            row.pop()
        screen.append(row)
    return screen + [[]] * (rows - len(screen))


def compare(rows, a, b):
    bad = 0
    for number, (one, other) in enumerate(zip(cells(a, rows), cells(b, rows)), 1):
        for column in range(max(len(one), len(other))):
            left = one[column] if column < len(one) else None
            right = other[column] if column < len(other) else None
            if left != right:
                bad += 1
                if bad <= 10:
                    print(f"row {number}, character {column + 1}: {left} and {right}")
    return bad


def hostile():
    """Titles, clipboard, reports, strings that never end, long and broken sequences, bad UTF-8."""
    strings = [b"0;EVIL", b"2;EVIL", b"52;c;RVZJTA==", b"52;p;?", b"4;1;?", b"8;;http://EVIL", b"1337;File=:EVIL", b"777;notify;EVIL"]
    pieces = [b"\033]" + s + end for s in strings for end in (b"\007", b"\033\\", b"\x9c", b"", b"\030")]
    pieces += [b"\x9d" + s + b"\007" for s in strings] + ["\u009d0;EVIL\007".encode(), "\u009b31m".encode()]
    pieces += [b"\033P$qm\033\\", b"\033P1;1|17/EVIL\033\\", b"\033_EVIL\033\\", b"\033^EVIL\033\\", b"\033XEVIL\033\\", b"\033kEVIL\033\\"]
    pieces += [b"\033[" + b"1;" * 5000 + b"m", b"\033]0;" + b"E" * 20000 + b"\007", b"\033P" + b"V" * 20000, b"\030", b"\033[999999999999b"]
    pieces += [b"\033[21t", b"\033[20t", b"\033[?1000h", b"\033[?2004h", b"\033[5i", b"\033[4i", b"\033[?1049h", b"\033[?1049l", b"\033c", b"\033[!p"]
    pieces += [b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc2", b"\xe2\x80", "\u202eabc\u2066".encode(), b"e" + b"\xcc\x81" * 500]
    pieces += [bytes([c]) for c in range(256) if c not in (1, 4, 5)]
    dice = random.Random(7)
    out = b"".join(pieces)
    for _ in range(1500):
        out += dice.choice(pieces)[: dice.choice((1, 2, 3, 5, 50, 50))]
    return (out + b"\030\033\\\033c the end").replace(b"\r", b"")


def harmless(data):
    """Only characters, and the sequences that move, colour and erase."""
    text = data.decode("utf-8")  # raises where it is not UTF-8
    rest = re.sub(r"\033\[[?>!]?[0-9;]*[A-Za-z@`]|\033[()][0AB]|\033[78=>M]|\033\][^\007\033]*\007?", lambda m: m[0] if m[0][1] == "]" else "", text)
    bad = sorted(set(re.findall(r"[\x00-\x06\x0b\x0c\x10-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)))
    if bad:
        print("reached the terminal:", [c.encode() for c in bad], repr(rest[rest.index(bad[0]) - 20 :][:60]))
    modes = re.findall(r"\033\[\?1000h|\033\[[45]i|\033\[2[01]t", text)
    if modes:
        print("reached the terminal:", modes)
    return not bad and not modes


if sys.argv[1] == "hostile":
    with open(sys.argv[2], "wb") as out:
        out.write(hostile())
elif sys.argv[1] == "harmless":
    sys.exit(not harmless(open(sys.argv[2], "rb").read()))
elif sys.argv[1] == "write":
    for name, page in PAGES.items():
        with open(f"{sys.argv[2]}/{name}.page", "w", encoding="utf-8", newline="") as out:
            out.write(page())
else:
    sys.exit(compare(int(sys.argv[2]), sys.argv[3], sys.argv[4]) > 0)
