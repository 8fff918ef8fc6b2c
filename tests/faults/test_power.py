"""A short run of power.py: what was acknowledged outlives the loss of power at any point."""

import os
import subprocess
import sys
import unittest
from pathlib import Path


class PowerTest(unittest.TestCase):
    def test_what_was_acknowledged_outlives_a_power_cut(self):
        program = Path(__file__).with_name("power.py")
        flags = ["--states", "160", "--seed", "7", "--clients", "3", "--rounds", "30"]
        done = subprocess.run([sys.executable, program, *flags], env=os.environ, capture_output=True, text=True,
                              timeout=500, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^1[0-9][0-9] different ones in .*: all held")


if __name__ == "__main__":
    unittest.main()
