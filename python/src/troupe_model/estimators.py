"""What there is inside of an estimator, whatever library it comes from."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def library_of(fitted: Any) -> str:
    """"sklearn", "xgboost", "lightgbm": the package that the class comes from."""
    return type(fitted).__module__.partition(".")[0]


def is_booster(fitted: Any) -> bool:
    """Whether it is XGBoost's or LightGBM's own Booster, which knows nothing of scikit-learn."""
    return type(fitted).__name__ == "Booster" and library_of(fitted) in ("xgboost", "lightgbm")


def describe(fitted: Any) -> str:
    """"Pipeline(ColumnTransformer, LogisticRegression)"."""
    name = type(fitted).__name__
    steps = getattr(fitted, "steps", None)
    return f"{name}({', '.join(describe(step) for _, step in steps)})" if isinstance(steps, list) else name


def walk(fitted: Any) -> Iterator[Any]:
    """The estimator and all that are inside of it, each once."""
    seen: set[int] = set()
    waiting = [fitted]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, dict):
            waiting.extend(thing.values())
        elif isinstance(thing, (list, tuple)):
            waiting.extend(x for x in thing if not isinstance(x, (str, bytes, int, float)))
        elif isinstance(thing, type(fitted)) or hasattr(thing, "get_params") or hasattr(thing, "predict_proba"):
            if id(thing) in seen or isinstance(thing, type):
                continue
            seen.add(id(thing))
            yield thing
            waiting.extend(getattr(thing, "__dict__", {}).values())
        elif type(thing).__name__ == "ndarray" and thing.dtype == object:
            waiting.extend(thing.ravel().tolist())


def columns_by_name(fitted: Any) -> bool:
    """Whether a ColumnTransformer picks columns by their names, so that each needs an input of its own."""
    for thing in walk(fitted):
        for _, _, columns in getattr(thing, "transformers_", ()):
            picked = [columns] if isinstance(columns, str) else columns
            if hasattr(picked, "__iter__") and any(isinstance(column, str) for column in picked):
                return True
    return False


def known_categories(fitted: Any) -> dict[str, list[Any]]:
    """What the encoders inside learned for each column, by its name."""
    found: dict[str, list[Any]] = {}
    for thing in walk(fitted):
        names = getattr(thing, "feature_names_in_", None)
        categories = getattr(thing, "categories_", None)
        if names is None or not isinstance(categories, list) or len(names) != len(categories):
            continue
        for name, known in zip(names, categories):
            found.setdefault(str(name), []).extend(known)
    return found


def encoded_only(fitted: Any) -> set[str]:
    """The columns that a ColumnTransformer gives to nothing but encoders of categories."""
    encoders, others = set(), set()
    for thing in walk(fitted):
        for _, transformer, columns in getattr(thing, "transformers_", ()):
            if isinstance(columns, str):
                columns = [columns]
            if transformer == "drop" or not hasattr(columns, "__iter__"):
                continue
            encodes = type(transformer).__name__ in ("OneHotEncoder", "OrdinalEncoder")
            (encoders if encodes else others).update(c for c in columns if isinstance(c, str))
    return encoders - others
