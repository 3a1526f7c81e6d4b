"""The page as one HTML document: for the server, and as a file that contains its recordings."""

from functools import cache
from pathlib import Path

from unstuck import __version__

from unstuck_analysis.view.cases import Cases, as_json
from unstuck_analysis.view.plan import Plan, to_query
from unstuck_analysis.view.shows import record, show_of
from unstuck_analysis.view.stories import Story, about_story, stories_on_offer
from unstuck_analysis.view.translate import translated_model
from unstuck_analysis.view.translate_classes import translated_exposure

_HERE = Path(__file__).parent / "player"
SCRIPTS = (
    "recording.js",
    "meanfield.js",
    "circuit.js",
    "curves.js",
    "save.js",
    "player.js",
    "panel.js",
    "story.js",
    "whatif.js",
    "landscape.js",
    "live.js",
    "start.js",
)
TWELVE_WEEKS = 84.0


@cache
def _template() -> str:
    page, style = (_read(name) for name in ("page.html", "style.css"))
    return page.replace("/* style.css */", style).replace("/* script */", player_code())


def player_code() -> str:
    """All JavaScript of the page: what is translated from Python, and the player."""
    return "\n".join(
        [translated_model(), _read("numpy.js"), translated_exposure(), *(_read(name) for name in SCRIPTS)]
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _document(setup: dict[str, object]) -> str:
    connect = "'self'" if setup["live"] else "'none'"
    page = _template().replace("CONNECT-SRC", connect)
    return page.replace('"SETUP"', as_json(setup | {"version": __version__}))


def live_page(usual: Plan, opening: dict[str, Story]) -> str:
    """The page that the server sends: it asks for what it shows and offers, and may open with a story."""
    stories, faults = stories_on_offer()
    own = [about_story(name, story) for name, story in opening.items()]
    setup: dict[str, object] = {"live": True, "usual": to_query(usual), "notes": faults}
    setup["story"] = own[0]["name"] if own else ""
    setup["stories"] = own + [story for story in stories if story["name"] not in opening]
    return _document(setup)


def exported_page(
    cases: Cases, plan: Plan | None, stories: dict[str, Story] | None = None, until: float = TWELVE_WEEKS
) -> str:
    """One self-contained page with the recordings of a plan, of stories, or of both."""
    shows, recordings = list[dict[str, object]](), dict[str, dict[str, object]]()
    told = [about_story(name, story) for name, story in (stories or {}).items()]
    wanted = [] if plan is None else [show_of(plan, until=until)]
    wanted += [show_of(story.plan, until=story.last_day) for story in (stories or {}).values()]
    for show in wanted:
        shows.append(show.about())
        recordings |= record(cases, show)
    return _document({"live": False, "shows": shows, "recordings": recordings, "stories": told, "notes": []})
