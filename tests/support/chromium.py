"""Chromium, told what to do over its own protocol (https://chromedevtools.github.io/devtools-protocol/) by a pipe: no
driver, no packages."""

import base64
import json
import os
import subprocess
import tempfile
import threading

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
         "--no-proxy-server", "--remote-debugging-pipe"]


class Chromium:
    """One page. What it complains of is kept in `complaints`."""

    def __init__(self, seconds=60):
        self._profile = tempfile.TemporaryDirectory(prefix="slipway-chromium-", ignore_cleanup_errors=True)
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        # It reads from descriptor 3 and writes to 4.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec 3<&{theirs_in} 4>&{theirs_out}; exec "$@"', "-", "chromium", *FLAGS,
             f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out, self._rest, self._number = ours_in, ours_out, b"", 0
        self._timer = threading.Timer(seconds, self._process.kill)
        self._timer.start()
        self.complaints = []
        page = next(each for each in self.ask("Target.getTargets")["targetInfos"] if each["type"] == "page")
        self._session = None
        self._session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")

    _session = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def _message(self):
        while b"\0" not in self._rest:
            piece = os.read(self._in, 1 << 16)
            if not piece:
                raise AssertionError("Chromium ended")
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(message)
        what, about = message.get("method"), message.get("params", {})
        if what == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.complaints.append(str(about["args"]))
        elif what == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif what == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(about["entry"]["text"])
        elif what == "Network.loadingFailed":
            self.complaints.append(about["errorText"])
        return message

    def ask(self, method, **parameters):
        self._number += 1
        request = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._out, json.dumps(request).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message)
                return message["result"]

    def open(self, url, width, scripts=True, height=900):
        """Loads a page whole, as wide as a screen of so many points."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.ask("Page.setBypassCSP", enabled=False)
        self.ask("Page.navigate", url=url)
        while self._message().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression):
        """Of JavaScript; of a promise what it came to. Runs also where the page's own scripts may not."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path):
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))
