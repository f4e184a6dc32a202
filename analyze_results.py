"""Step 3 of 3: measures, correlations, plots and the report. Try --help."""

import sys

from percept.cli import analyze_results

if __name__ == "__main__":
    sys.exit(analyze_results())
