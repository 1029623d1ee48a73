"""The workflow expression functions: real names, how many arguments they take, and what they return.

In: nothing (a table). Out: `FUNCTIONS` by lower-case name (the platform does not mind case) and `find`. Types are those of parameters: string, integer, number, boolean,
array, object, any; `list` in an argument stands for array or any.
"""

from __future__ import annotations

from typing import NamedTuple

UNBOUNDED = 1_000


class Signature(NamedTuple):
    name: str
    least: int
    most: int
    returns: str
    arguments: tuple[str, ...] = ()  # types of the leading arguments that matter; the last one repeats


def _rows(returns: str, text: str) -> list[Signature]:
    """`name least-most [argument types]` a line; `*` is no upper bound."""
    rows = []
    for line in text.strip().splitlines():
        name, counts, *types = line.split()
        least, _, most = counts.partition("-")
        rows.append(Signature(name, int(least), UNBOUNDED if most == "*" else int(most or least), returns, tuple(types)))
    return rows


_TABLE = [
    *_rows(
        "string",
        """
        concat 1-*
        substring 2-3 string integer integer
        replace 3 string string string
        toLower 1 string
        toUpper 1 string
        trim 1 string
        guid 0-1 string
        formatNumber 2-3 number string string
        slice 2-3 string integer integer
        join 2 array string
        string 1
        base64 1
        base64ToString 1
        decodeBase64 1
        dataUri 1
        dataUriToString 1
        decodeDataUri 1
        uriComponent 1
        uriComponentToString 1
        encodeUriComponent 1-*
        decodeUriComponent 1
        encodeXmlName 1
        decodeXmlName 1
        uriHost 1 string
        uriPath 1 string
        uriPathAndQuery 1 string
        uriQuery 1 string
        uriScheme 1 string
        listCallbackUrl 0
        utcNow 0-1 string
        addDays 2-3 string integer string
        addHours 2-3 string integer string
        addMinutes 2-3 string integer string
        addSeconds 2-3 string integer string
        addToTime 3-4 string integer string string
        subtractFromTime 3-4 string integer string string
        convertFromUtc 2-3 string string string
        convertTimeZone 3-4 string string string string
        convertToUtc 2-3 string string string
        dateDifference 2 string string
        formatDateTime 1-3 string string string
        getFutureTime 2-3 integer string string
        getPastTime 2-3 integer string string
        parseDateTime 1-3 string string string
        startOfDay 1-2 string string
        startOfHour 1-2 string string
        startOfMonth 1-2 string string
        formDataValue 2
        multipartBody 2
        triggerFormDataValue 1
        triggerMultipartBody 1
        """,
    ),
    *_rows(
        "integer",
        """
        length 1
        indexOf 2 string string
        lastIndexOf 2 string string
        nthIndexOf 3 string string integer
        int 1
        rand 2 integer integer
        ticks 1 string
        dayOfMonth 1 string
        dayOfWeek 1 string
        dayOfYear 1 string
        uriPort 1 string
        iterationIndexes 1
        """,
    ),
    *_rows(
        "number",
        """
        add 2
        sub 2
        mul 2
        div 2
        mod 2
        max 1-*
        min 1-*
        float 1-2
        decimal 1
        """,
    ),
    *_rows(
        "boolean",
        """
        and 1-*
        or 1-*
        not 1
        equals 2
        greater 2
        greaterOrEquals 2
        less 2
        lessOrEquals 2
        contains 2
        startsWith 2 string string
        endsWith 2 string string
        empty 1
        isInt 1
        isFloat 1
        bool 1
        """,
    ),
    *_rows(
        "array",
        """
        split 2 string string
        createArray 0-*
        array 1
        range 2 integer integer
        chunk 2 any integer
        sort 1-2 array
        reverse 1 array
        union 2-*
        intersection 2-*
        skip 2 array integer
        take 2
        xpath 2
        result 1 string
        formDataMultiValues 2
        triggerFormDataMultiValues 1
        """,
    ),
    *_rows(
        "object",
        """
        addProperty 3 object string any
        setProperty 3 object string any
        removeProperty 2 object string
        trigger 0
        action 0
        actions 1 string
        workflow 0
        """,
    ),
    *_rows(
        "any",
        """
        if 3
        coalesce 1-*
        json 1
        xml 1
        first 1
        last 1
        item 0
        items 1 string
        body 1 string
        outputs 1 string
        actionBody 1 string
        actionOutputs 1 string
        triggerBody 0
        triggerOutputs 0
        variables 1 string
        parameters 1 string
        appsetting 1 string
        agentParameters 1 string
        base64ToBinary 1
        binary 1
        dataUriToBinary 1
        uriComponentToBinary 1
        isMatch 2
        raw 1 string
        """,
    ),
]
# union and intersection also take objects, take and reverse also strings: what they return follows their arguments
_LOOSE = {"union", "intersection", "take", "reverse", "max", "min", "result", "xpath", "chunk"}

FUNCTIONS: dict[str, Signature] = {s.name.lower(): (s._replace(returns="any") if s.name in _LOOSE else s) for s in _TABLE}


def find(name: str) -> Signature | None:
    """The function a name means, whatever its case."""
    return FUNCTIONS.get(name.lower())
