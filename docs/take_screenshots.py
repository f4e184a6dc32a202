"""Takes the README's two pictures of a page: ``python -m docs.take_screenshots results/report.html``.

Needs what the page's tests need (CONTRIBUTING.md); made from the default run on the bundled clips.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from benchmarks.report_page import chromium

HERE = Path(__file__).parent
SHOWN = {"listen": ("light", 700), "explore": ("dark", 640)}
"""Section to colour scheme and height in pixels."""
WIDTH = 1280
COLOURS = 160
SELECT = """async () => {
  const { player } = percept;
  await player.select("speech_slt", "opus_6k");
  Object.assign(player.state, { from: 0.42, to: 0.6 });
  await player.loop(true);
  await player.seek(2.3);
}"""


def main(page: Path) -> None:
    """Write ``docs/report_<section>.png``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(play), args=["--no-sandbox"])
        for section, (scheme, height) in SHOWN.items():
            context = browser.new_context(viewport={"width": WIDTH, "height": 1000}, color_scheme=scheme)
            sight = context.new_page()
            sight.goto(page.resolve().as_uri())
            sight.wait_for_function("() => percept.ready > 0")
            sight.evaluate("() => percept.charts()")
            sight.evaluate(SELECT)
            sight.wait_for_timeout(1000)  # the charts settle
            top = sight.locator(f"#{section}").bounding_box()
            assert top
            file = HERE / f"report_{section}.png"
            place = {"x": 0, "y": top["y"] - 6, "width": WIDTH, "height": height}
            sight.screenshot(path=file, full_page=True, clip=place)
            with Image.open(file) as picture:
                small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(file, optimize=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
