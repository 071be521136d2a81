"""``python -m bench.screens [--json] [--presses 200] [--minutes 5] [--first-paint 15]``: the figures of the screens."""

from __future__ import annotations

import argparse
import json

from bench.screens import answering, first_paint

MOST_P95_MS = 60.0
MOST_RATIO = 1.5


def main() -> int:
    """Measures; 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.screens")
    parser.add_argument("--json", action="store_true", help="nothing but the result on standard output")
    parser.add_argument("--presses", type=int, default=200, help="of Tab")
    parser.add_argument("--machines", type=int, default=12, help="panes")
    parser.add_argument("--lines", type=int, default=5000, help="a second, of all machines together")
    parser.add_argument("--minutes", type=float, default=0.0, help="watch the memory for so long")
    parser.add_argument("--first-paint", type=int, default=15, metavar="PAIRS", help="0: not measured")
    options = parser.parse_args()
    answered = answering.measure(
        machines=options.machines, lines_per_s=options.lines, presses=options.presses, minutes=options.minutes
    )
    painted = first_paint.measure(options.first_paint) if options.first_paint else None
    if options.json:
        print(json.dumps({"answering": answered.as_data(), "first_paint": painted}))
    else:
        print(f"{options.machines} machines, {options.lines} lines/s, {COLUMNS_AND_ROWS}, {answered.seconds:.0f} s")
        print(f"key → focus seen   p50 {answered.p50_ms} ms   p95 {answered.p95_ms} ms   max {answered.max_ms} ms")
        print(f"                   {answered.presses} presses; promised: p95 ≤ {MOST_P95_MS:.0f} ms")
        print(f"lines              {answered.lines_written} written, {answered.lines_shown} taken")
        print(f"memory, MiB        {'  '.join(str(each) for each in answered.rss_mib)}  (begin, then each minute)")
        if painted:
            print(
                f"first paint        {painted['ours_ms']} ms, empty {painted['empty_ms']} ms, ratio {painted['ratio']} "
                f"(promised: ≤ {MOST_RATIO}); first question {painted['question_ms']} ms"
            )
    kept = answered.p95_ms <= MOST_P95_MS and (painted is None or painted["ratio"] <= MOST_RATIO)
    return 0 if kept else 1


COLUMNS_AND_ROWS = f"{answering.COLUMNS}×{answering.ROWS}"

if __name__ == "__main__":
    raise SystemExit(main())
