"""Checks the page of `cargo run -p nfbmr-report --example demo -- DIR` in headless Chromium.

    pip install selenium    # and the Debian packages chromium, chromium-driver
    python check.py DIR [SCREENSHOTS]

Served by HTTP, so that a request for anything else would be seen. Screenshots are taken wide and narrow,
light and dark, and for print.
"""

import base64
import functools
import http.server
import json
import sys
import tempfile
import threading
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]


class Handler(http.server.SimpleHTTPRequestHandler):
    requests = []

    def log_message(self, *_):
        self.requests.append(self.path)


def browser(profile):
    options = webdriver.ChromeOptions()
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))


def column(table, index):
    rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
    return [row.find_elements(By.CSS_SELECTOR, "th, td")[index].text for row in rows]


def check_sorting(page):
    table = page.find_element(By.CSS_SELECTOR, "#results table")
    heading = table.find_elements(By.CSS_SELECTOR, "thead th")[1]
    button = heading.find_element(By.TAG_NAME, "button")
    before = column(table, 1)
    assert before.count("-") == 1, before

    def numbers():
        shown = column(table, 1)
        assert shown[-1] == "-", shown
        return [float(text.split()[0]) for text in shown[:-1]]

    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert numbers() == sorted(numbers()), numbers()
    button.click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert numbers() == sorted(numbers(), reverse=True), numbers()

    # From that heading back to the first, and by either key.
    page.switch_to.active_element.send_keys(Keys.SHIFT + Keys.TAB)
    first = table.find_elements(By.CSS_SELECTOR, "thead th")[0]
    assert page.switch_to.active_element == first.find_element(By.TAG_NAME, "button")
    names = column(table, 0)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert first.get_attribute("aria-sort") == "ascending"
    assert heading.get_attribute("aria-sort") == "none"
    up = column(table, 0)
    assert sorted(up) == sorted(names)
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert first.get_attribute("aria-sort") == "descending"
    assert column(table, 0) == up[::-1]


def check_images(page):
    sizes = page.execute_script(
        "return Array.from(document.images, i => i.complete ? i.naturalWidth : 0)"
    )
    assert sizes and all(sizes), sizes


def check_requests(page, address):
    """The page itself and data URIs, nothing else; nothing that the policy had to stop."""
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    sent = [request["request"]["url"] for request in sent if request["documentURL"] == address]
    assert address in sent, sent
    assert all(url == address or url.startswith("data:") for url in sent), sent
    assert set(Handler.requests) == {"/report.html"}, Handler.requests
    assert page.get_log("browser") == []


def check_policy(page):
    """An image from elsewhere and a script that got in anyway are stopped."""
    page.execute_script(
        "const image = new Image(); image.src = '/leak.png';"
        "const script = document.createElement('script'); script.text = 'window.leak = 1';"
        "document.body.append(image, script);"
    )
    messages = [entry["message"] for entry in page.get_log("browser")]
    assert len(messages) == 2 and all("Content Security Policy" in text for text in messages), messages
    assert page.execute_script("return window.leak") is None
    assert "/leak.png" not in Handler.requests


def check_width(page):
    width, window = page.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= window, f"{width} px of content on {window} px"


def screenshots(page, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for width in [1280, 390]:
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        for scheme in ["light", "dark"]:
            feature = {"name": "prefers-color-scheme", "value": scheme}
            page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            check_width(page)
            shot = page.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {
                "x": 0, "y": 0, "width": width, "scale": 1,
                "height": page.execute_script("return document.documentElement.scrollHeight"),
            }})
            (folder / f"{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
    pdf = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    (folder / "print.pdf").write_bytes(base64.b64decode(pdf["data"]))


def main():
    folder = Path(sys.argv[1])
    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/report.html"
    with tempfile.TemporaryDirectory() as profile:
        page = browser(profile)
        try:
            page.set_window_size(1280, 900)
            page.get(address)
            check_sorting(page)
            check_images(page)
            if len(sys.argv) > 2:
                screenshots(page, Path(sys.argv[2]))
            check_requests(page, address)
            check_policy(page)
            page.get((folder / "report.html").resolve().as_uri())
            check_sorting(page)
            check_images(page)
            assert page.get_log("browser") == []
        finally:
            page.quit()
    print("passed")


if __name__ == "__main__":
    main()
