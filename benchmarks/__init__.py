"""Benchmarks: each stage and each peer that is installed, side by side in one run, and the page that tells it.

    make bench                        install the peers, measure everything, write docs/benchmarks.md
    python -m benchmarks --help       parts of it

Modules:
    measuring   processes, clocks, the interleaved order
    worker      what runs in a contestant's process
    agreement   whether two contestants computed the same
    installing  the peers' environments
    material    clips and weights that all contestants get
    machine     processor, versions
    cases       what is measured, one module a case
    peers       what runs in the workers, one module a contestant
    targets     what was to be reached
    page        results to docs/benchmarks.md
"""
