"""browser.py - Debian's chromium without a window, driven over two pipes by its DevTools protocol (--remote-debugging-pipe): open a page, evaluate
JavaScript in it, take a picture. What goes wrong in the page (exceptions, what its security policy forbids) is collected in `wrong`.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from vm import PATIENCE, Failed, deadline, skip


def find():
    for name in "chromium", "chromium-browser", "google-chrome":
        if shutil.which(name):
            return shutil.which(name)
    skip("there is no chromium: apt install chromium")


class Browser:
    def __init__(self, width=1500, height=1200):
        self.folder = tempfile.TemporaryDirectory(prefix="ring3-browser", ignore_cleanup_errors=True)
        theirs, self.out = os.pipe()
        self.into, theirs_out = os.pipe()

        def pipes(): # its descriptors 3 and 4
            high = os.dup(theirs), os.dup(theirs_out)
            os.dup2(os.dup2(high[0], 93), 3)
            os.dup2(os.dup2(high[1], 94), 4)
        environment = {**os.environ, "HOME": self.folder.name}
        self.process = subprocess.Popen([find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                                         "--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir=" + self.folder.name,
                                         "--window-size=%d,%d" % (width, height), "about:blank"], env=environment, preexec_fn=pipes, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs)
        os.close(theirs_out)
        self.wrong, self.rest, self.number, self.session = [], b"", 0, None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.folder.cleanup()

    def message(self, end):
        while b"\0" not in self.rest:
            if not select.select([self.into], [], [], max(0, end - time.monotonic()))[0]:
                raise Failed("the browser does not answer")
            some = os.read(self.into, 1 << 20)
            if not some:
                raise Failed("the browser has ended")
            self.rest += some
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.out, json.dumps(request).encode() + b"\0")
        end = deadline(60)
        while True:
            m = self.message(end)
            if m.get("method") == "Runtime.exceptionThrown":
                self.wrong.append(m["params"]["exceptionDetails"].get("exception", {}).get("description") or m["params"]["exceptionDetails"]["text"])
            if m.get("method") == "Log.entryAdded" and m["params"]["entry"]["level"] == "error":
                self.wrong.append(m["params"]["entry"]["text"] + " " + m["params"]["entry"].get("url", ""))
            if m.get("id") == self.number:
                if "error" in m:
                    raise Failed("%s: %s" % (method, m["error"]))
                return m["result"]

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in "Runtime", "Log", "Page":
            self.call(part + ".enable")
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """Its value, as JSON has it."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise Failed("%s: %s" % (expression, result["exceptionDetails"]["exception"].get("description")))
        return result["result"].get("value")

    def wait(self, expression, why, seconds=60):
        """Until it is true. What is not there yet is not true."""
        end = deadline(seconds)
        while True:
            try:
                if self.evaluate("Boolean(%s)" % expression):
                    return
            except Failed:
                pass
            if time.monotonic() > end:
                raise Failed("%s; the page says: %s" % (why, (self.evaluate("document.body.innerText") or "")[:3000]))
            time.sleep(0.1)

    def picture(self, path, width=1500, height=1080, scale=0.72):
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", clip=clip)["data"]))
