"""Step 1 of 3: any audio to 16 kHz mono. Try --help."""

import sys

from percept.cli import audio_conversion

if __name__ == "__main__":
    sys.exit(audio_conversion())
