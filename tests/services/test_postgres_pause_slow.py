"""A PostgreSQL that says nothing for longer than servers wait for it, though its machine keeps the connections."""

import os
import signal
import sys
import time
import unittest

import test_postgres_faults
from postgres_server import programs
from test_postgres_faults import Pushers

STANDS_STILL = 150  # seconds; sql/postgres_connection.hpp


class PostgresPauseTest(test_postgres_faults.PostgresFaultsTest):
    def test_it_stands_still_for_long(self):
        self.begin()
        with Pushers(self.servers) as pushers:
            time.sleep(3)
            self.postgres.send_all(signal.SIGSTOP)
            began = time.monotonic()
            try:
                while time.monotonic() < began + STANDS_STILL:
                    self.assertEqual(self.servers[0].request("GET", "/healthz").status, 200)
                    time.sleep(5)
            finally:
                self.postgres.send_all(signal.SIGCONT)
            time.sleep(3)
        self.assertTrue({429, 503} & pushers.statuses())
        self.check(pushers, (429, 503))


def load_tests(*_):
    return unittest.TestSuite([PostgresPauseTest("test_it_stands_still_for_long")])


if __name__ == "__main__":
    if not programs():
        print("PostgreSQL is not installed (./dev installs it)", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 77)
    unittest.main()
