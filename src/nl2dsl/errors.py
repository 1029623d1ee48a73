"""The exceptions of the program and of the world; mistakes of a flow's author are diagnostics, never exceptions.

Nl2DslError            everything below; `hint` says what to do next
├── UsageError         the command or the call was wrong (exit 2)
├── RecipeError        a recipe file has problems (all of them, at once)
├── CatalogError       a catalog file cannot be read
├── CorpusError        a corpus file or folder cannot be read or is inconsistent
├── RunError           the folder of an evaluation cannot be used
├── ModelError         a model folder is absent, broken or does not fit (digest, catalog, prompt)
└── EngineError        an engine cannot answer (not installed, unreachable, timed out)
"""


class Nl2DslError(Exception):
    """Base of all errors a caller may want to catch; `str()` is one sentence, `hint` the next step or ''."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(Nl2DslError):
    """The command line or a call was used wrongly."""


class RecipeError(Nl2DslError):
    """A recipe has problems."""


class CatalogError(Nl2DslError):
    """A catalog cannot be read."""


class CorpusError(Nl2DslError):
    """A corpus cannot be read or contradicts itself."""


class RunError(Nl2DslError):
    """The folder of an evaluation is none, is damaged, unfinished or another one's."""


class ModelError(Nl2DslError):
    """A model folder cannot be used."""


class EngineError(Nl2DslError):
    """An engine cannot answer."""
