#!/bin/sh
# Every op of the cpu backend against the reference backend in three threads, however few processors there are: under
# ThreadSanitizer (make check-tsan) the one test that reaches every op.
exec ./tests/ops/compare_ops -t 3 -n 100 -s 3000 cpu reference
