"""The cases in `tests/flows`: each `.flow` file says on the line of a mistake which codes are expected there, and where a near miss stands.

In: the files. Out: their texts and marks, and the small catalog they may call. A mark is a comment behind a line: `// expect N201 P301` for findings there,
`// near N201` for a line that comes close to one and is right; `// expect-file S108` is for findings without a line of their own.
"""

from __future__ import annotations

import re
from pathlib import Path

from nl2dsl.catalog.model import Catalog, Operation, Output, Parameter
from nl2dsl.dsl.checker import check
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.text import parse

CASES = sorted((Path(__file__).parent / "flows").glob("*.flow"))
QUIET = {"M601", "R408"}  # notes that only count in files that expect them


def small_catalog() -> Catalog:
    to = Parameter("message/To", required=True, title="To", role="person_email")
    send = (
        to,
        Parameter("message/Cc", role="person_email"),
        Parameter("message/Body", role="html"),
        Parameter("message/Importance", enum=("Low", "Normal", "High")),
        Parameter("message/IsHtml", "boolean"),
        Parameter("message/Attachments", "array", role="list_of_files"),
        Parameter("message/SendAt", format="date-time", role="date_time"),
    )
    table = Parameter("table", required=True, title="Table", role="table")
    rows = (table, Parameter("limit", "integer", role="number"), Parameter("columns", "array"))
    row = (
        Output("Id", "record_id", "number"),
        Output("Title", "title", "string"),
        Output("Owner/Name", "person_name", "string"),
        Output("Due", "date_time", "string"),
        Output("Done", "boolean", "boolean"),
    )
    listed = (Output("value", "list_of_items", "array"), *(Output(f"value/{o.name}", o.role, o.type) for o in row))
    schedule = (
        Parameter("frequency", required=True, title="Frequency", enum=("Second", "Minute", "Hour", "Day", "Week", "Month")),
        Parameter("interval", "integer", required=True, default=1),
        Parameter("weekDays", "array", enum=("Monday", "Sunday")),
        Parameter("hours", "array"),
        Parameter("minutes", "array"),
        Parameter("monthDays", "array"),
        Parameter("startTime", format="date-time", role="date_time"),
        Parameter("endTime", format="date-time", role="date_time"),
        Parameter("timeZone"),
    )
    variable = (Parameter("name"), Parameter("value", "any"))
    return Catalog(
        [
            Operation("commonTrigger", "Recurrence", "trigger", parameters=schedule),
            Operation("builtin", "Compose", "action", parameters=(Parameter("inputs", "any", required=True),)),
            Operation("builtin", "Terminate", "action", parameters=(Parameter("runStatus", enum=("Failed", "Cancelled")),)),
            Operation("builtin", "Delay", "action", parameters=(Parameter("interval/count", "integer"), Parameter("interval/unit"))),
            Operation("builtin", "AppendToStringVariable", "action", parameters=variable),
            Operation("builtin", "AppendToArrayVariable", "action", parameters=variable),
            Operation("shared_mail", "OnNewMail", "trigger", outputs=(Output("Subject", "title", "string"),)),
            Operation("shared_mail", "Send", "action", parameters=send),
            Operation("shared_mail", "SendOld", "action", deprecated=True),
            Operation("shared_mail", "SendOldV2", "action"),
            Operation("shared_mail", "Maybe", "action", verified=False),
            Operation("shared_sheet", "OnUpdatedRow", "trigger", parameters=(table,), outputs=row),
            Operation("shared_sheet", "GetRows", "action", parameters=rows, outputs=listed),
            Operation("shared_sheet", "GetRow", "action", parameters=(table, Parameter("id", "integer", role="record_id")), outputs=row),
            Operation(
                "shared_sheet", "UpdateRow", "action", parameters=(table, Parameter("id", "integer", role="record_id"), Parameter("done", "boolean"))
            ),
            Operation("shared_sheet", "AddRow", "action", parameters=(table, Parameter("row", "object", required=True, open=True))),
            Operation("shared_drive", "GetFileContent", "action", parameters=(Parameter("id"),), outputs=(Output("", "file_content", "string"),)),
            Operation(
                "shared_drive",
                "CreateFile",
                "action",
                parameters=(Parameter("name", role="file_name"), Parameter("body", "file", role="file_content")),
            ),
            Operation("", "Some Op/1.0", "any"),
        ]
    )


CATALOG = small_catalog()


def findings(source: str) -> list[Diagnostic]:
    flow, problems = parse(source)
    return problems if flow is None else check(flow, CATALOG)


def marks(source: str, word: str) -> list[tuple[int, str]]:
    """Line and code of every mark with this word, in order."""
    found = []
    for number, line in enumerate(source.split("\n"), 1):
        for mark in re.finditer(rf"// {word}(-file)? ([A-Z\d ]+)", line):
            found += [(1 if mark[1] else number, code) for code in mark[2].split()]
    return sorted(found)


def expected(source: str) -> list[tuple[int, str]]:
    return marks(source, "expect")
