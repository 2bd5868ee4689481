"""A tally of checks: what was expected, how many held, which did not."""

import contextlib
import time
import traceback


class Checks:
    """Counts what holds; a check that does not hold is printed and remembered."""

    def __init__(self):
        self.held, self.failed = 0, []

    def that(self, holds, what, found=None):
        if holds:
            self.held += 1
        else:
            self.failed.append(what)
            print(f"    FAILED {what}" + ("" if found is None else f": found {found!r}"), flush=True)

    def equal(self, found, expected, what):
        self.that(found == expected, f"{what} is {expected!r}", found)

    @contextlib.contextmanager
    def section(self, name):
        """A group of checks: an exception in it fails it, and the next one goes on."""
        before, failed, started = self.held, len(self.failed), time.monotonic()
        try:
            yield
        except Exception:  # whatever it is, the other sections still say something
            traceback.print_exc()
            self.failed.append(f"{name}: an exception")
        bad = len(self.failed) - failed
        seconds = time.monotonic() - started
        print(f"{'FAILED' if bad else 'ok':6} {name}: {self.held - before} checks, {seconds:.1f} s", flush=True)

    @contextlib.contextmanager
    def raises(self, kind, what, **fields):
        """The block must raise `kind` with these fields of OpenAI's error."""
        try:
            yield
        except kind as error:
            body = error.body if isinstance(error.body, dict) else {}
            for name, expected in fields.items():
                self.equal(body.get(name), expected, f"{what}: {name}")
            self.that(bool(body.get("message")), f"{what} has a message", error.body)
        except Exception as error:
            self.that(False, f"{what} raises {kind.__name__}", error)
        else:
            self.that(False, f"{what} raises {kind.__name__}", "no error")
