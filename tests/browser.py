"""A real headless Chromium, driven through its DevTools pipe with nothing installed.

https://chromedevtools.github.io/devtools-protocol: JSON messages, each ended by a zero
byte, on the file descriptors 3 (to the browser) and 4 (from it).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1200,900",
    "--remote-debugging-pipe",
)
KEYS = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "Home": 36,
    "End": 35,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


def found() -> str | None:
    """The browser of this machine, if it has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab.

    Attributes:
        problems: what the console said of errors and warnings, and what was refused.
        requests: every address that was asked for.
    """

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._number, self._rest = 0, b""
        self._session: str | None = None
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.new_tab()

    # ------------------------------------------------------------ the protocol

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        sent = json.dumps(message).encode() + b"\0"
        while sent:
            sent = sent[os.write(self._to, sent) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            got = os.read(self._back, 1 << 16)
            if not got:
                raise RuntimeError("the browser has gone")
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(told["exceptionDetails"])[:2000])
        elif event == "Runtime.consoleAPICalled" and told["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.problems.append(json.dumps(told["args"])[:2000])
        elif event == "Log.entryAdded" and told["entry"]["level"] != "verbose":
            self.problems.append(told["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    # ------------------------------------------------------------ a person's part

    def new_tab(self) -> str:
        """Go on in another tab of the same browser; its name for `front`."""
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call("Page.bringToFront")
        return self._session

    def front(self, tab: str) -> None:
        """Go on in that tab."""
        self._session = tab
        self._call("Page.bringToFront")

    def open(self, path: Path) -> None:
        """Open a file, and wait until its scripts have run."""
        self.visit(path.resolve().as_uri())

    def visit(self, address: str) -> None:
        """The same for an address."""
        self._call("Page.navigate", url=address)
        while self.run("document.readyState") != "complete":
            pass
        self.settle()

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        answer = self._call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until what has been asked for is drawn, and what came of that."""
        twice = "requestAnimationFrame(() => requestAnimationFrame(() => {}))"
        self.run(f"new Promise(r => {twice.replace('{}', 'setTimeout(r, 20)')})")

    def until(self, script: str) -> None:
        """Wait until an expression is true: some answers come in their own time."""
        for _ in range(200):
            if self.run(f"Boolean({script})"):
                return
            self.settle()
        raise RuntimeError(f"never came true: {script}")

    def mouse(self, x: float, y: float, *kinds: str) -> None:
        for kind in kinds:
            pressed = kind != "mouseMoved"
            self._call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left" if pressed else "none",
                clickCount=int(pressed),
            )
        self.settle()

    def click_at(self, x: float, y: float) -> None:
        self.mouse(x, y, "mouseMoved", "mousePressed", "mouseReleased")

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element, scrolled into view."""
        self.run(
            f"document.querySelector({json.dumps(selector)})"
            ".scrollIntoView({block: 'center'})"
        )
        self.settle()
        rectangle = self.run(
            f"(r => [r.x, r.y, r.width, r.height])(document.querySelector("
            f"{json.dumps(selector)}).getBoundingClientRect())"
        )
        left, top, width, height = rectangle
        return left, top, width, height

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        left, top, width, height = self.box(selector)
        self.click_at(left + width / 2, top + height / 2)

    def press(self, key: str, **more: Any) -> None:
        """Press and release a key."""
        about = {
            "key": key,
            "code": "Space" if key == " " else key,
            "windowsVirtualKeyCode": KEYS[key],
            **more,
        }
        text = {"Enter": "\r", " ": " "}.get(key)
        down = {"text": text} if text else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **about, **down)
        self._call("Input.dispatchKeyEvent", type="keyUp", **about)
        self.settle()

    def text(self, selector: str) -> str:
        found: str = self.run(
            f"document.querySelector({json.dumps(selector)}).textContent"
        )
        return found

    def prefer(self, media: str = "", **features: str) -> None:
        """Such as `color_scheme="dark"`; `media="print"` shows the page as printed."""
        named = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        self._call("Emulation.setEmulatedMedia", media=media, features=named)
        for feature in named:
            query = f"({feature['name']}: {feature['value']})"
            self.until(f"matchMedia({json.dumps(query)}).matches")
        self.settle()

    def resize(self, width: int, height: int) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.settle()

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as a PNG."""
        told = self._call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def pdf(self, path: Path) -> None:
        told = self._call("Page.printToPDF", printBackground=False)
        path.write_bytes(base64.b64decode(told["data"]))


@contextlib.contextmanager
def browser(program: str, profile: Path) -> Iterator[Page]:
    """A browser with one empty tab and a new profile, ended with the context."""
    to_read, to_write = os.pipe()
    back_read, back_write = os.pipe()

    def connect() -> None:
        # Above 4 first: one of ours may be 3 or 4 itself.
        high = [os.dup(end) for end in (to_read, back_write, to_read, back_write)]
        os.dup2(high[2], 3)
        os.dup2(high[3], 4)

    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=connect,
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(back_write)
    try:
        yield Page(to_write, back_read)
    finally:
        process.terminate()
        process.wait()
        os.close(to_write)
        os.close(back_read)
