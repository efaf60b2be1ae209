"""Firefox and WebKit as Debian has them, driven by the W3C's WebDriver commands (https://www.w3.org/TR/webdriver2/).

Playwright drives builds of its own of these two, which come from neither Debian nor PyPI. WebKit's driver speaks HTTP.
Firefox's is not in Debian, but what that talks to is in Firefox itself (Marionette: the same commands in JSON, over a
socket), and here it is spoken to without the driver between.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import httpx

from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

START_S_MAX: Final = 60.0
COMMAND_S_MAX: Final = 90.0
UNTIL_S_MAX: Final = 60.0
POLLING_S: Final = 0.1
LOOPBACK: Final = "127.0.0.1"
ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"  # how the standard names a reference to one
# Keys that are no characters, as the standard numbers them.
ENTER, CONTROL, HOME, DOWN, SHIFT = "\ue007", "\ue009", "\ue011", "\ue015", "\ue008"
# A script is done when its last argument is called; what a function comes to, good or bad, is handed to it.
PROMISE: Final = """const done = arguments[arguments.length - 1];
(async (...given) => (%s)(...given))(...arguments)
    .then((value) => done({ value }), (error) => done({ error: `${error}` }));"""


class DriverError(Exception):
    """The browser has refused a command, or a script in a page has failed."""


class OtherBrowser(ABC):
    """A browser with one window. Use as a context: every process of it is killed at its end."""

    packages: ClassVar[dict[str, str]]  # Debian's, by a program that each of them brings

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.version = ""
        self._processes: list[asyncio.subprocess.Process] = []

    @abstractmethod
    async def start(self) -> None:
        """Start the browser, with what is on its disk; return when its window takes commands."""

    @abstractmethod
    async def _command(self, name: str, parameters: dict[str, Any]) -> Any:
        """Give a command, by the name that Marionette has for it; return its value. Raises DriverError."""

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def kill(self) -> None:
        """End every process of the browser as a loss of power would, as far as processes go."""
        while self._processes:
            process = self._processes.pop()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def go(self, url: str) -> None:
        """Open a page; returns when it is loaded."""
        await self._command("Navigate", {"url": url})

    async def run(self, function: str, *arguments: object) -> Any:
        """Call a function of JavaScript in the page, and return what its promise comes to."""
        answer = await self._command("ExecuteAsyncScript", {"script": PROMISE % function, "args": list(arguments)})
        if "error" in answer:
            raise DriverError(f"{function}: {answer['error']}")
        return answer.get("value")

    async def until(self, function: str, *arguments: object, timeout_s: float = UNTIL_S_MAX) -> None:
        """Wait until a function says yes; what the page says then is in the error when it does not in time."""
        deadline = time.monotonic() + timeout_s
        while not await self.run(function, *arguments):
            if time.monotonic() > deadline:
                shown = await self.run("() => document.body.innerText")
                raise AssertionError(f"not within {timeout_s} s: {function} {arguments}\n{shown}")
            await asyncio.sleep(POLLING_S)

    async def until_there(self, css: str) -> None:
        """Wait until there is such an element."""
        await self.until("(css) => document.querySelector(css) !== null", css)

    async def until_said(self, css: str, text: str) -> None:
        """Wait until one of these elements says this."""
        says = "(css, text) => [...document.querySelectorAll(css)].some((one) => one.textContent.includes(text))"
        await self.until(says, css, text)

    async def click(self, css: str) -> None:
        """Click on the first of these elements, once there is one, as a mouse would."""
        await self.until_there(css)
        found = await self._command("FindElement", {"using": "css selector", "value": css})
        await self._command("ElementClick", {"id": found[ELEMENT]})

    async def type(self, text: str) -> None:
        """Press a key for each of these characters, wherever the focus is."""
        for key in text:
            await self.press(key)

    async def press(self, *keys: str) -> None:
        """Press these keys at once, the last one while the others are held."""
        downs = [{"type": "keyDown", "value": key} for key in keys]
        ups = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        await self._command("PerformActions", {"actions": [{"type": "key", "id": "keyboard", "actions": downs + ups}]})

    async def window(self) -> str:
        """Return which window the commands are for."""
        handle: str = await self._command("GetWindowHandle", {})
        return handle

    async def open_window(self) -> str:
        """Open one more; the commands go on being for the one before."""
        opened: dict[str, str] = await self._command("NewWindow", {"type": "window"})
        return opened["handle"]

    async def turn_to(self, window: str) -> None:
        """Have the commands be for this window from now on."""
        await self._command("SwitchToWindow", {"handle": window})

    async def shoot(self, path: Path) -> None:
        """Save what the window shows as a picture."""
        picture = base64.b64decode(await self._command("TakeScreenshot", {"full": False}))
        await asyncio.to_thread(path.write_bytes, picture)

    async def _spawn(self, *command: str, pass_fds: tuple[int, ...] = (), **more: str) -> None:
        """Start a program as the leader of a group of processes, with the disk as its home."""
        silent = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=silent,
            stdout=silent,
            stderr=silent,
            start_new_session=True,
            pass_fds=pass_fds,
            env={
                "PATH": environment()["PATH"],
                "LANG": "en_US.UTF-8",
                "HOME": str(self.disk),
                "XDG_RUNTIME_DIR": str(self.disk),
                **more,
            },
        )
        self._processes.append(process)


class Firefox(OtherBrowser):
    """Debian's Firefox, without a screen. Its profile is on the disk, and outlives it."""

    PROGRAM: Final = "/usr/bin/firefox-esr"
    packages: ClassVar = {PROGRAM: "firefox-esr"}
    _NOBODY: Final = 9  # a port where nobody listens: whatever is not on loopback goes there
    _PREFERENCES: Final = {
        "network.proxy.type": 1,
        **dict.fromkeys(("network.proxy.http", "network.proxy.ssl"), LOOPBACK),
        **dict.fromkeys(("network.proxy.http_port", "network.proxy.ssl_port"), _NOBODY),
        "network.proxy.allow_hijacking_localhost": False,
        "network.dns.disabled": True,  # nor is anybody asked for a name
        "network.connectivity-service.enabled": False,  # which asks all the same
        "datareporting.policy.dataSubmissionEnabled": False,
        "browser.sessionstore.resume_from_crash": False,
        "toolkit.startup.max_resumed_crashes": -1,  # after a kill it starts as ever
    }

    async def start(self) -> None:
        """See OtherBrowser."""
        port = _free_port()
        profile = self.disk / "profile"
        profile.mkdir(exist_ok=True)
        preferences = {**self._PREFERENCES, "marionette.port": port}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
        (profile / "user.js").write_text("".join(lines))
        await self._spawn(self.PROGRAM, "--headless", "--marionette", "--no-remote", "--profile", str(profile))
        self._reader, self._writer = await _until_answered(lambda: asyncio.open_connection(LOOPBACK, port))
        self._ids = itertools.count(1)
        await self._receive()  # what it is
        session = await self._command("NewSession", {"capabilities": {}})
        self.version = session["capabilities"]["browserVersion"]
        await self._command("SetTimeouts", {"script": round(COMMAND_S_MAX * 1_000)})

    async def forget(self) -> None:
        """Take localStorage from the disk, as if the kill had come in the seconds that Firefox takes to write it."""
        for folder in self.disk.glob("profile/storage/default/*/ls"):
            await asyncio.to_thread(shutil.rmtree, folder)

    async def _command(self, name: str, parameters: dict[str, Any]) -> Any:
        number = next(self._ids)
        text = json.dumps([0, number, f"WebDriver:{name}", parameters])
        self._writer.write(f"{len(text)}:{text}".encode())
        async with asyncio.timeout(COMMAND_S_MAX):
            _, answered, error, result = await self._receive()
        assert answered == number
        if error is not None:
            raise DriverError(f"{name}: {error['error']}: {error['message']}")
        return result.get("value", result)

    async def _receive(self) -> Any:
        length = await self._reader.readuntil(b":")
        return json.loads(await self._reader.readexactly(int(length[:-1])))

    async def kill(self) -> None:
        """See OtherBrowser."""
        await super().kill()
        if hasattr(self, "_writer"):
            self._writer.close()


class WebKit(OtherBrowser):
    """Debian's WebKitGTK in the smallest browser there is, on a screen that nobody sees.

    A window that is driven keeps everything in memory, as a private one does: MiniBrowser has no option against it.
    """

    MINI_BROWSER: Final = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser"
    SCREEN: Final = "/usr/bin/Xvfb"
    DRIVER: Final = "/usr/bin/WebKitWebDriver"
    packages: ClassVar = {DRIVER: "webkit2gtk-driver", SCREEN: "xvfb"}
    _ROUTES: Final = {
        "Navigate": ("POST", "url"),
        "ExecuteAsyncScript": ("POST", "execute/async"),
        "FindElement": ("POST", "element"),
        "ElementClick": ("POST", "element/{id}/click"),
        "PerformActions": ("POST", "actions"),
        "SetTimeouts": ("POST", "timeouts"),
        "GetWindowHandle": ("GET", "window"),
        "NewWindow": ("POST", "window/new"),
        "SwitchToWindow": ("POST", "window"),
        "TakeScreenshot": ("GET", "screenshot"),
    }

    async def start(self) -> None:
        """See OtherBrowser."""
        port = _free_port()
        # Its own sandbox has nothing to stand on in a container, or for root.
        more = {"GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
        display = await self._start_screen()
        await self._spawn(self.DRIVER, f"--port={port}", f"--host={LOOPBACK}", DISPLAY=display, **more)
        self._http = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", timeout=COMMAND_S_MAX, trust_env=False)
        await _until_answered(lambda: self._http.get("/status"))
        options = {"binary": self.MINI_BROWSER, "args": ["--automation"]}
        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        session = await self._ask("POST", "/session", wanted)
        self.version = session["capabilities"]["browserVersion"]
        self._session = f"/session/{session['sessionId']}"
        await self._command("SetTimeouts", {"script": round(COMMAND_S_MAX * 1_000)})

    async def _start_screen(self) -> str:
        """Return its name, once it has said which of them it is."""
        reading, writing = os.pipe()
        try:
            size = ("-screen", "0", "1366x768x24")
            await self._spawn(self.SCREEN, "-displayfd", str(writing), *size, "-nolisten", "tcp", pass_fds=(writing,))
        finally:
            os.close(writing)
        with os.fdopen(reading) as said:
            async with asyncio.timeout(START_S_MAX):
                number = await asyncio.to_thread(said.readline)
        return f":{int(number)}"

    async def _command(self, name: str, parameters: dict[str, Any]) -> Any:
        method, path = self._ROUTES[name]
        return await self._ask(method, f"{self._session}/{path.format(**parameters)}", parameters)

    async def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = await self._http.request(method, path, json=body if method == "POST" else None)
        value = answer.json()["value"]
        if answer.is_error:
            raise DriverError(f"{path}: {value['error']}: {value['message']}")
        return value

    async def kill(self) -> None:
        """See OtherBrowser."""
        await super().kill()
        if hasattr(self, "_http"):
            await self._http.aclose()


BROWSERS: Final[dict[str, type[OtherBrowser]]] = {"firefox": Firefox, "webkit": WebKit}


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def _until_answered(ask: Callable[[], Awaitable[Any]]) -> Any:
    deadline = time.monotonic() + START_S_MAX
    while True:
        try:
            return await ask()
        except (OSError, httpx.TransportError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLLING_S)
