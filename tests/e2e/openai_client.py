"""Drives a running wardrobe server with the official `openai` package, and fails if it misbehaves.

    python openai_client.py --url http://127.0.0.1:8080 --adapter-dir checkpoints [--pid PID] [--seconds 30]

The server must serve at least one adapter from --adapter-dir. Temporary variants of it (other lora_alpha, hence
other generations) are written there and removed again. With --pid the server is told to stop at the end, and must
finish what runs. Prints counts; exit status 1 if any check failed.
"""

import argparse
import os
import sys

import check_adapters
import check_answers
import check_errors
import check_load
from checks import Checks
from server import Server


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--adapter-dir", required=True)
    parser.add_argument("--pid", type=int, help="of the server; it is stopped at the end")
    parser.add_argument("--api-key", default=os.environ.get("WARDROBE_API_KEY"))
    parser.add_argument("--seconds", type=float, default=30, help="of replacing adapters under load")
    parser.add_argument("--max-queue", type=int, default=0, help="the server's --max-queue; 0 leaves 429 unchecked")
    return parser.parse_args()


def main():
    args = arguments()
    checks = Checks()
    server = Server(args.url, args.adapter_dir, args.api_key)
    print(f"{args.url}: base {server.base}, adapter {server.adapter}, context {server.max_model_len}")
    for section in check_answers.SECTIONS + check_errors.SECTIONS:
        with checks.section(section.__doc__):
            section(checks, server)
    with check_adapters.Variants(server) as variants:
        for section in check_adapters.SECTIONS:
            with checks.section(section.__doc__):
                section(checks, server, variants)
        with checks.section(check_load.replaced_under_load.__doc__):
            check_load.replaced_under_load(checks, server, variants, args.seconds)
    with checks.section(check_load.gone_clients.__doc__):
        check_load.gone_clients(checks, server)
    if args.max_queue:
        with checks.section(check_load.full_queue.__doc__):
            check_load.full_queue(checks, server, args.max_queue)
    if args.pid:
        with checks.section(check_load.drained.__doc__):
            check_load.drained(checks, server, args.pid)
    print(f"{checks.held} checks held, {len(checks.failed)} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
