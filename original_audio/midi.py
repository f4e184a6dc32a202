"""The bundled music as notes, and notes as a standard MIDI file.

Pieces: the first two bars of J. S. Bach's Prelude in C (BWV 846) and the theme of L. van Beethoven's "Ode to Joy",
both in the public domain, arranged here.

Reference:
    Standard MIDI Files 1.0, MIDI Manufacturers Association, 1996.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

TICKS_PER_BEAT = 480
TAIL_BEATS = 4
PERCUSSION_CHANNEL = 9
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Note:
    """One note of a score, its times counted in beats."""

    start_beats: float
    length_beats: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """One instrument: General MIDI program (from 0), pan (0 left to 127 right) and its notes."""

    channel: int
    program: int
    pan: int
    notes: tuple[Note, ...]


def pitch_number(name: str) -> int:
    """Return the MIDI number of a note name such as "C4" (60) or "F#3"."""
    return 12 * (int(name[-1]) + 1) + SEMITONES[name[0]] + name.count("#")


def line(names: str, velocity: int, length_beats: float = 0.9) -> tuple[Note, ...]:
    """Set one step per beat; a step is a chord joined by "+", or "-" for a rest.

    Args:
        names: Steps separated by spaces.
        velocity: MIDI velocity of the notes; each bar's first is a little louder.
        length_beats: Length of each note, under 1 for notes that are detached; the last one is held.

    Returns:
        The notes in order of time.
    """
    steps = names.split()
    notes = []
    for beat, step in enumerate(steps):
        held_beats = 2 * length_beats if beat == len(steps) - 1 else length_beats
        accented = min(127, velocity + (8 if beat % 4 == 0 else 0))
        for name in step.split("+") if step != "-" else []:
            notes.append(Note(beat, held_beats, pitch_number(name), accented))
    return tuple(notes)


def broken_chords(bars: Sequence[str]) -> tuple[Note, ...]:
    """Set each bar's five pitches as the prelude's figure, which is played twice in a bar.

    Args:
        bars: Five note names per bar, from low to high.

    Returns:
        The notes in order of time.
    """
    notes = []
    for half, names in enumerate(bar for bar in bars for _ in range(2)):
        pitches = [pitch_number(name) for name in names.split()]
        for step, voice in enumerate((0, 1, 2, 3, 4, 2, 3, 4)):
            start_beats = 2 * half + step / 4
            # The two lowest voices are tied through the figure in Bach's notation.
            length_beats = 2 - step / 4 if voice in (0, 1) else 0.25
            velocity = 84 if step == 0 else 66 + 3 * voice
            notes.append(Note(start_beats, length_beats, pitches[voice], velocity))
    return tuple(notes)


def percussion() -> tuple[Note, ...]:
    """Set a tambourine on the half beats, a crash at both ends and a snare roll before the last."""
    crash, snare, tambourine = 49, 38, 54
    notes = [Note(beat, 2, crash, 80) for beat in (0, 8)]
    notes += [Note(half / 2, 0.4, tambourine, 70 if half % 2 else 88) for half in range(16)]
    notes += [Note(7 + step / 8, 0.1, snare, 40 + 6 * step) for step in range(8)]
    return tuple(notes)


def ode_parts() -> tuple[Part, ...]:
    """Set the opening of the "Ode to Joy" theme in D major for strings, brass and percussion."""
    theme_high = "F#5 F#5 G5 A5 A5 G5 F#5 E5 D5"
    theme_low = "F#4 F#4 G4 A4 A4 G4 F#4 E4 D4"
    inner = "A3+D4 A3+D4 B3+D4 A3+D4 D4+F#4 B3+D4 A3+D4 A3+C#4 A3+D4+F#4"
    bass = "D3 D3 G2 D3 F#2 G2 A2 A2 D2"
    timpani = "D2 - - D2 - - A2 A2 D2"
    return (
        Part(0, 48, 24, line(theme_high, 92, 0.95)),
        Part(1, 61, 92, line(theme_low, 84, 0.8)),
        Part(2, 48, 64, line(inner, 78)),
        Part(3, 43, 112, line(bass, 96)),
        Part(4, 47, 44, line(timpani, 100)),
        Part(PERCUSSION_CHANNEL, 0, 64, percussion()),
    )


def variable_length(value: int) -> bytes:
    """Encode a number as a MIDI variable-length quantity."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))


def midi_events(parts: Sequence[Part]) -> list[tuple[int, bytes]]:
    """List the parts' MIDI messages with their times in ticks, in order of time."""
    events = []
    for part in parts:
        events.append((0, bytes([0xC0 | part.channel, part.program])))
        events.append((0, bytes([0xB0 | part.channel, 10, part.pan])))
        for note in part.notes:
            start = round(note.start_beats * TICKS_PER_BEAT)
            end = start + round(note.length_beats * TICKS_PER_BEAT)
            events.append((start, bytes([0x90 | part.channel, note.pitch, note.velocity])))
            events.append((end, bytes([0x80 | part.channel, note.pitch, 0])))
    # A repeated pitch must end before it starts anew, and instruments must be set before any note.
    rank = {0xB0: 0, 0xC0: 0, 0x80: 1, 0x90: 2}
    return sorted(events, key=lambda event: (event[0], rank[event[1][0] & 0xF0]))


def midi_file(parts: Sequence[Part], beats_per_minute: float) -> bytes:
    """Return a standard MIDI file (format 0) that plays the parts.

    Args:
        parts: The instruments and their notes.
        beats_per_minute: The tempo, the same throughout.

    Returns:
        The file's bytes.
    """
    beat_us = round(60e6 / beats_per_minute)
    track = b"\x00\xff\x51\x03" + beat_us.to_bytes(3, "big")
    last = 0
    for ticks, message in midi_events(parts):
        track += variable_length(ticks - last) + message
        last = ticks
    # The synthesiser stops at the end of the track: without a tail the last notes would be cut.
    track += variable_length(TAIL_BEATS * TICKS_PER_BEAT) + b"\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_BEAT)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track
