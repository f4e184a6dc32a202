"""Step 2 of 3: degraded versions and their embeddings. Try --help."""

import sys

from percept.cli import extract_embeddings

if __name__ == "__main__":
    sys.exit(extract_embeddings())
