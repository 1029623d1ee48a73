"""Recipes: a TOML file as any dataclass.

In: a file, a dataclass, overrides such as `learning_rate=2e-4` or `lora.rank=8`. Out: an instance, or one `RecipeError` that tells every problem with the nearest
key. `dump` is the way back: the TOML of an instance, saved beside what the recipe made. Fields may be bool, int, float, str, Path, Literal, X | None, lists, tuples,
dicts with text keys, and dataclasses of these.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from nl2dsl.errors import RecipeError
from nl2dsl.files import read_text

Recipe = TypeVar("Recipe")
_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path", NoneType: "nothing"}


class _Wrong(Exception):
    """A value does not fit its type; caught in this module."""


def load(path: str | Path, kind: type[Recipe], overrides: Iterable[str] = ()) -> Recipe:
    """The recipe in a file, with overrides on top."""
    text = read_text(path)
    try:
        return build(tomllib.loads(text), kind, overrides, str(path))
    except tomllib.TOMLDecodeError as problem:
        raise RecipeError(f"{path}: not TOML: {problem}", hint='a line looks like this: key = "text", key = 5, key = true') from None


def build(values: Mapping[str, Any], kind: type[Recipe], overrides: Iterable[str] = (), name: str = "recipe") -> Recipe:
    """The recipe these values are."""
    problems: list[str] = []
    values = _overridden(values, overrides, kind, problems)
    made = _dataclass(values, kind, "", problems)
    if problems:
        raise RecipeError("\n".join(f"{name}: {p}" for p in problems), hint=f"the keys are {', '.join(f.name for f in fields(cast(Any, kind)))}")
    return cast(Recipe, made)


# --- overrides -----------------------------------------------------------------------------------------------------------------


def _overridden(values: Mapping[str, Any], overrides: Iterable[str], kind: type, problems: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = _copied(values)
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        if not equals or not all(part for part in key.split(".")):
            problems.append(f"override `{override}` is not key=value")
            continue
        *parents, last = key.split(".")
        place, type_ = made, cast(Any, kind)
        for parent in parents:
            type_ = _type_at(type_, parent)
            inner = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                problems.append(f"override `{override}`: `{parent}` is not a table")
                break
            place = inner
        else:
            place[last] = _value(text.strip(), _type_at(type_, last))
    return made


def _copied(value: Any) -> Any:
    return {k: _copied(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _type_at(kind: Any, key: str) -> Any:
    for arm in _arms(kind):
        if is_dataclass(arm):
            return get_type_hints(arm).get(key, Any)
        if get_origin(arm) is dict:
            return get_args(arm)[1]
    return Any


def _arms(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _value(text: str, kind: Any) -> Any:
    """The text of an override as a value: as TOML where it is TOML, else as text. A field that can only be text takes it as it stands."""
    if kind in (str, Path) and text[:1] not in ('"', "'"):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


# --- values to types -----------------------------------------------------------------------------------------------------------


def _dataclass(values: Mapping[str, Any], kind: Any, prefix: str, problems: list[str]) -> Any:
    types, known = get_type_hints(kind), {f.name: f for f in fields(kind) if f.init}
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.5)
            problems.append(f"unknown key `{prefix}{key}`" + (f"; did you mean `{prefix}{near[0]}`?" if near else ""))
    problems.extend(f"`{prefix}{name}` is missing" for name, f in known.items() if name not in values and _required(f))
    made: dict[str, Any] = {}
    found = len(problems)
    for name in [key for key in values if key in known]:
        try:
            made[name] = _fit(values[name], types[name], f"{prefix}{name}", problems)
        except _Wrong as wrong:
            problems.append(str(wrong))
    if found or len(problems) > found:
        return None
    try:
        return kind(**made)
    except (ValueError, TypeError) as problem:  # the dataclass's own checks
        problems.append(f"{prefix.rstrip('.') + ': ' if prefix else ''}{problem}")
        return None


def _required(f: Field[Any]) -> bool:
    return f.default is MISSING and f.default_factory is MISSING


def _fit(value: Any, kind: Any, name: str, problems: list[str]) -> Any:
    """The value as its type wants it."""
    if kind is Any:
        return value
    arms = _arms(kind)
    if len(arms) > 1:
        return _fit_any(value, arms, name, problems)
    origin = get_origin(kind)
    if origin is Literal:
        return _choice(value, get_args(kind), name)
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise _Wrong(f"`{name}` is {_said(value)}, not a table")
        return _dataclass(value, kind, f"{name}.", problems)
    if origin in (list, tuple, dict):
        return _container(value, kind, origin, name, problems)
    return _plain(value, kind, name)


def _fit_any(value: Any, arms: tuple[Any, ...], name: str, problems: list[str]) -> Any:
    if value in ("none", "") and NoneType in arms and str not in arms:  # TOML has no null; an override says `none`
        return None
    for arm in arms:
        tried: list[str] = []
        try:
            made = _fit(value, arm, name, tried)
        except _Wrong:
            continue
        problems.extend(tried)
        return made
    raise _Wrong(f"`{name}` is {_said(value)}, not {' or '.join(_words(a) for a in arms if a is not NoneType)}")


def _choice(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    for choice in choices:
        if value == choice and type(value) is type(choice):
            return value
    near = get_close_matches(str(value), [str(c) for c in choices], n=1, cutoff=0.5)
    raise _Wrong(f"`{name}` is {_said(value)}, not one of {', '.join(map(str, choices))}" + (f"; did you mean `{near[0]}`?" if near else ""))


def _container(value: Any, kind: Any, origin: Any, name: str, problems: list[str]) -> Any:
    inner = get_args(kind)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _Wrong(f"`{name}` is {_said(value)}, not a table")
        return {k: _fit(v, inner[1], f"{name}.{k}", problems) for k, v in value.items()}
    if not isinstance(value, list | tuple):
        raise _Wrong(f"`{name}` is {_said(value)}, not a list")
    if origin is list or inner[-1] is Ellipsis:
        return origin(_fit(v, inner[0], f"{name}[{i}]", problems) for i, v in enumerate(value))
    if len(value) != len(inner):
        raise _Wrong(f"`{name}` has {len(value)} entries, not {len(inner)}")
    return tuple(_fit(v, t, f"{name}[{i}]", problems) for i, (v, t) in enumerate(zip(value, inner, strict=True)))


def _plain(value: Any, kind: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _Wrong(f"`{name}` is {_said(value)}, not {_words(kind)}")


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return _WORDS.get(kind) or {list: "a list", tuple: "a list", dict: "a table"}.get(get_origin(kind), "a table")


# --- the way back --------------------------------------------------------------------------------------------------------------


def dump(recipe: Any) -> str:
    """The recipe as TOML; `build` of it is the recipe again. Fields that are None are left out."""
    plain, tables = [], []
    for f in fields(recipe):
        value = getattr(recipe, f.name)
        if is_dataclass(value):
            tables.append(f"\n[{f.name}]\n{_nested(dump(value), f.name)}")
        elif value is not None:
            plain.append(f"{f.name} = {_toml(value)}\n")
    return "".join([*plain, *tables])


def _nested(text: str, name: str) -> str:
    return text.replace("\n[", f"\n[{name}.")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(v) for v in value)}]"
    if is_dataclass(value):
        return _toml({f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) is not None})
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_toml(k)} = {_toml(v)}' for k, v in value.items())} }}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
